// TensorFlow operations of one pass where its own take many: activations, normalisations, softmax, rotations, masks;
// and products by OpenBLAS, where the addon is linked to it, which are faster than TensorFlow's.
// Built into the addon (build-addon.ts) and offered to TensorFlow.js by fused.ts. Float32 on the CPU alone.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef ORTHOSCOPE_OPENBLAS
#include "cblas.h"
#endif
#ifdef ORTHOSCOPE_AMX
#include <cpuid.h>

#include "amx.h"
#endif
#include "fused.h"
#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
#include "tensorflow/c/tf_tensor.h"
#include "wide.h"

namespace orthoscope {

extern const Loops kBaseline;
#ifdef ORTHOSCOPE_X86
extern const Loops kAvx2;
extern const Loops kAvx512;
#endif

namespace {

#ifdef ORTHOSCOPE_X86
// What holds TensorFlow's products to an instruction set holds ours: so a machine can stand in for a lesser one.
std::string mostInstructions() {
  const char* held = std::getenv("ONEDNN_MAX_CPU_ISA");
  return held ? held : "";
}

const Loops& bestLoops() {
  __builtin_cpu_init();
  const std::string most = mostInstructions();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (!avx2 || most == "SSE41" || most == "AVX") return kBaseline;
  return avx512 && most.rfind("AVX2", 0) != 0 ? kAvx512 : kAvx2;
}
#else
const Loops& bestLoops() { return kBaseline; }
#endif

const Loops& loops() {
  static const Loops& best = bestLoops();
  return best;
}

// As many threads as TensorFlow's products use, the caller among them. They sleep between jobs and end with the process.
class Team {
 public:
  static Team& instance() {
    static Team* team = new Team();
    return *team;
  }

  int threads() const { return workers_ + 1; }

  // Calls part(from, to) over [0, count) in pieces; `cost` is the number of floats behind one of them.
  template <typename Part>
  void each(int64_t count, int64_t cost, const Part& part) {
    // Waking a thread takes as long as some ten thousand floats.
    const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, cost));
    const int64_t pieces = std::min<int64_t>((count + grain - 1) / grain, 4 * (workers_ + 1));
    std::unique_lock<std::mutex> turn(turn_, std::try_to_lock);
    if (pieces < 2 || workers_ == 0 || !turn) {
      part(0, count);
      return;
    }
    std::atomic<int64_t> next{0};
    run([&] {
      for (int64_t piece; (piece = next++) < pieces;) part(piece * count / pieces, (piece + 1) * count / pieces);
    });
  }

 private:
  static constexpr int64_t kGrain = 16384;

  Team() {
    const char* wanted = std::getenv("TF_NUM_INTRAOP_THREADS");
    int threads = wanted ? std::atoi(wanted) : 0;
    if (threads <= 0) threads = static_cast<int>(std::thread::hardware_concurrency());
    workers_ = std::max(0, threads - 1);
    for (int i = 0; i < workers_; i++) std::thread([this] { serve(); }).detach();
  }

  template <typename Job>
  void run(const Job& job) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = [](const void* context) { (*static_cast<const Job*>(context))(); };
      context_ = &job;
      round_++;
    }
    wake_.notify_all();
    job();
    {
      // Whoever has not woken by now is not waited for.
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = nullptr;
    }
    // The others are at their last pieces. Who has waited as long as it takes to fall asleep and wake does so: a core that
    // only watches is counted as at work, and something else may want it.
    for (int spins = 0; spins < kSpins && busy_.load(std::memory_order_acquire) > 0; spins++) pause();
    for (int busy; (busy = busy_.load(std::memory_order_acquire)) > 0;) futex(FUTEX_WAIT_PRIVATE, busy);
  }

  void serve() {
    for (uint64_t seen = 0;;) {
      void (*job)(const void*);
      const void* context;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return round_ != seen; });
        seen = round_;
        if (!job_) continue;
        job = job_;
        context = context_;
        busy_.fetch_add(1, std::memory_order_relaxed);
      }
      job(context);
      if (busy_.fetch_sub(1, std::memory_order_release) == 1) futex(FUTEX_WAKE_PRIVATE, 1);
    }
  }

  // On how many are at work: sleeps while it is `value`, or wakes so many.
  void futex(int what, int value) {
    static_assert(sizeof busy_ == sizeof(int), "the system looks at an int");
    syscall(SYS_futex, &busy_, what, value, nullptr, nullptr, 0);
  }

  static void pause() {
#ifdef ORTHOSCOPE_X86
    __builtin_ia32_pause();
#endif
  }

  static constexpr int kSpins = 512;
  int workers_;
  std::mutex turn_;
  std::mutex mutex_;
  std::condition_variable wake_;
  uint64_t round_ = 0;
  void (*job_)(const void*) = nullptr;
  const void* context_ = nullptr;
  std::atomic<int> busy_{0};
};

// Large tensors are to lie on pages of 2 MB: a product that reads of each row of a weight what fits its caches would
// otherwise look up a page for every few hundred floats.
constexpr uintptr_t kLargePage = 1 << 21, kLarge = 1 << 20;

// Memory of a tensor that is about to be filled. What shares its first and last page comes along.
void beginLarge(const void* data, size_t bytes) {
  if (bytes < kLarge) return;
  const uintptr_t from = reinterpret_cast<uintptr_t>(data) / kLargePage * kLargePage;
  const uintptr_t to = (reinterpret_cast<uintptr_t>(data) + bytes + kLargePage - 1) / kLargePage * kLargePage;
  madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
}

// Memory in use, as weights are that come from JavaScript. The system moves whole pages of it, once: which addresses it
// was asked for is kept as long as no others take their places. Page by page, as one that it refuses would end the rest.
void becomeLarge(const void* data, size_t bytes) {
  if (bytes < kLarge) return;
  constexpr int kCollapse = 25, kBits = 12;  // MADV_COLLAPSE, of Linux 6.1
  static std::atomic<uintptr_t> asked[1 << kBits];
  const auto at = reinterpret_cast<uintptr_t>(data);
  std::atomic<uintptr_t>& place = asked[at * 0x9e3779b97f4a7c15u >> (64 - kBits)];
  if (place.exchange(at, std::memory_order_relaxed) == at) return;
  beginLarge(data, bytes);
  const uintptr_t first = (at + kLargePage - 1) / kLargePage * kLargePage;
  for (uintptr_t page = first; page + kLargePage <= at + bytes; page += kLargePage)
    madvise(reinterpret_cast<void*>(page), kLargePage, kCollapse);
}

struct Freed {
  void operator()(TF_Tensor* tensor) const { TF_DeleteTensor(tensor); }
  void operator()(TF_Status* status) const { TF_DeleteStatus(status); }
};

using Tensor = std::unique_ptr<TF_Tensor, Freed>;

// Attributes of an operation.
struct Settings {
  int64_t kind = 0;
  int64_t heads = 0;
  int64_t shared = 0;
  float factor = 0;
  bool flag = false;
};

// What an operation reads and writes.
class Call {
 public:
  explicit Call(TF_OpKernelContext* context) : context_(context), status_(TF_NewStatus()) {
    for (int i = 0; i < TF_NumInputs(context); i++) {
      TF_Tensor* tensor = nullptr;
      TF_GetInput(context, i, &tensor, status_.get());
      inputs_.emplace_back(tensor);
    }
  }

  ~Call() {
    if (TF_GetCode(status_.get()) != TF_OK) TF_OpKernelContext_Failure(context_, status_.get());
  }

  bool sound() const { return TF_GetCode(status_.get()) == TF_OK; }

  // Says where an input has not the size that the loops will read.
  bool require(bool condition, const char* message) {
    if (sound() && !condition) TF_SetStatus(status_.get(), TF_INVALID_ARGUMENT, message);
    return sound();
  }

  int inputs() const { return inputs_.size(); }
  const float* in(int i) const { return static_cast<const float*>(TF_TensorData(inputs_[i].get())); }
  int64_t size(int i) const { return TF_TensorElementCount(inputs_[i].get()); }
  int rank(int i) const { return TF_NumDims(inputs_[i].get()); }
  int64_t dim(int i, int axis) const { return TF_Dim(inputs_[i].get(), axis < 0 ? rank(i) + axis : axis); }
  int64_t width(int i) const { return rank(i) > 0 ? dim(i, -1) : 1; }
  int64_t rows(int i) const { return width(i) > 0 ? size(i) / width(i) : 0; }

  // An output of the shape of an input, its last axis as wide as said.
  float* out(int index, int like, int64_t width) {
    std::vector<int64_t> shape;
    for (int axis = 0; axis < rank(like); axis++) shape.push_back(dim(like, axis));
    if (!shape.empty()) shape.back() = width;
    return allocate(index, shape);
  }

  float* out(int index, int like) { return out(index, like, width(like)); }

  float* allocate(int index, const std::vector<int64_t>& shape) {
    if (!sound()) return nullptr;
    size_t bytes = sizeof(float);
    for (int64_t extent : shape) bytes *= extent;
    Tensor tensor(TF_AllocateOutput(context_, index, TF_FLOAT, shape.data(), shape.size(), bytes, status_.get()));
    if (!sound()) return nullptr;
    beginLarge(TF_TensorData(tensor.get()), bytes);
    return static_cast<float*>(TF_TensorData(tensor.get()));
  }

 private:
  TF_OpKernelContext* context_;
  std::unique_ptr<TF_Status, Freed> status_;
  std::vector<Tensor> inputs_;
};

void activate(const Settings& settings, Call& call) {
  const float* x = call.in(0);
  float* y = call.out(0, 0);
  if (!y) return;
  Team::instance().each(call.size(0), 1, [&](int64_t from, int64_t to) {
    loops().activate(settings.kind, x + from, y + from, to - from);
  });
}

void activatePull(const Settings& settings, Call& call) {
  if (!call.require(call.size(0) == call.size(1), "gradient and value differ in size")) return;
  const float *dy = call.in(0), *x = call.in(1);
  float* dx = call.out(0, 0);
  if (!dx) return;
  Team::instance().each(call.size(0), 1, [&](int64_t from, int64_t to) {
    loops().activatePull(settings.kind, dy + from, x + from, dx + from, to - from);
  });
}

void gate(const Settings& settings, Call& call) {
  if (!call.require(call.size(0) == call.size(1), "gate and value differ in size")) return;
  const float *g = call.in(0), *up = call.in(1);
  float* y = call.out(0, 0);
  if (!y) return;
  Team::instance().each(call.size(0), 1, [&](int64_t from, int64_t to) {
    loops().gate(settings.kind, g + from, up + from, y + from, to - from);
  });
}

void gatePull(const Settings& settings, Call& call) {
  const int64_t size = call.size(0);
  if (!call.require(size == call.size(1) && size == call.size(2), "gradient, gate and value differ in size")) return;
  const float *dy = call.in(0), *g = call.in(1), *up = call.in(2);
  float *dGate = call.out(0, 0), *dUp = call.out(1, 0);
  if (!dUp) return;
  Team::instance().each(size, 1, [&](int64_t from, int64_t to) {
    loops().gatePull(settings.kind, dy + from, g + from, up + from, dGate + from, dUp + from, to - from);
  });
}

void normalise(const Settings& settings, Call& call) {
  const int64_t width = call.width(0);
  const float* x = call.in(0);
  float *y = call.out(0, 0), *rate = call.out(1, 0, 1);
  if (!rate) return;
  Team::instance().each(call.rows(0), width, [&](int64_t from, int64_t to) {
    loops().normalise(x + from * width, y + from * width, rate + from, to - from, width, settings.factor,
                      settings.flag);
  });
}

// Where there is a fourth input, the gradient is added to it and has its shape.
void normalisePull(const Settings& settings, Call& call) {
  const int64_t width = call.width(0), rows = call.rows(0);
  const bool added = call.inputs() == 4;
  const bool fits = call.size(1) == call.size(0) && call.size(2) == rows && (!added || call.size(3) == call.size(0));
  if (!call.require(fits, "gradient, values and rates do not fit")) return;
  const float *dy = call.in(0), *y = call.in(1), *rate = call.in(2), *onto = added ? call.in(3) : nullptr;
  float* dx = call.out(0, added ? 3 : 0);
  if (!dx) return;
  Team::instance().each(rows, width, [&](int64_t from, int64_t to) {
    loops().normalisePull(dy + from * width, y + from * width, rate + from, added ? onto + from * width : nullptr,
                          dx + from * width, to - from, width, settings.flag);
  });
}

// scores [heads, batch, queries, keys], bias [1, batch or 1, queries, keys].
void softmax(const Settings& settings, Call& call) {
  const bool fits = call.rank(0) == 4 && call.rank(1) == 4 && call.dim(1, 0) == 1 &&
                    (call.dim(1, 1) == call.dim(0, 1) || call.dim(1, 1) == 1) && call.dim(1, 2) == call.dim(0, 2) &&
                    call.dim(1, 3) == call.dim(0, 3);
  if (!call.require(fits, "scores and bias do not fit")) return;
  const int64_t width = call.width(0), period = call.rows(1);
  const float *scores = call.in(0), *bias = call.in(1);
  float* weights = call.out(0, 0);
  if (!weights) return;
  Team::instance().each(call.rows(0), 4 * width, [&](int64_t from, int64_t to) {
    for (int64_t row = from; row < to; row++)
      loops().softmax(scores + row * width, bias + row % period * width, weights + row * width, width,
                      settings.factor);
  });
}

void softmaxPull(const Settings& settings, Call& call) {
  if (!call.require(call.size(0) == call.size(1), "gradient and weights differ in size")) return;
  const int64_t width = call.width(0);
  const float *dWeights = call.in(0), *weights = call.in(1);
  float* dScores = call.out(0, 0);
  if (!dScores) return;
  Team::instance().each(call.rows(0), width, [&](int64_t from, int64_t to) {
    loops().softmaxPull(dWeights + from * width, weights + from * width, dScores + from * width, to - from, width,
                        settings.factor);
  });
}

// logits and the teacher's [rows, width]: Σ p_teacher·(log p_teacher − log p) of each row, and unless `flag` factor
// times its gradient by the logits, p − p_teacher.
void divergence(const Settings& settings, Call& call) {
  const int64_t width = call.width(0), rows = call.rows(0);
  if (!call.require(call.size(1) == call.size(0), "logits and the teacher's differ in size")) return;
  const float *logits = call.in(0), *teacher = call.in(1);
  float* kl = call.allocate(0, {rows});
  float* d = settings.flag ? call.allocate(1, {0}) : call.out(1, 0);
  if (!call.sound()) return;
  Team::instance().each(rows, 8 * width, [&](int64_t from, int64_t to) {
    for (int64_t row = from; row < to; row++) {
      const float *s = logits + row * width, *t = teacher + row * width;
      const float sMost = loops().largest(s, width), tMost = loops().largest(t, width);
      const double sSum = loops().exponentials(s, width, sMost), tSum = loops().exponentials(t, width, tMost);
      // log p_teacher − log p = t − s less this, which is rounded once: it is small where the two are close.
      const double between = tMost + std::log(tSum) - sMost - std::log(sSum);
      kl[row] = loops().divergence(s, t, settings.flag ? nullptr : d + row * width, width,
                                   {sMost, static_cast<float>(1 / sSum)}, {tMost, static_cast<float>(1 / tSum)},
                                   static_cast<float>(between), settings.factor);
    }
  });
}

// A tensor of heads, either apart [heads, batch, positions, width] or side by side [batch·positions, heads·width].
struct HeadsIn {
  int64_t heads, batch, positions, width;
  bool apart;

  HeadsIn(const Call& call, int input, int64_t batch_, int64_t heads_) : batch(batch_), apart(call.rank(input) == 4) {
    heads = apart ? call.dim(input, 0) : heads_;
    if (apart) batch = call.dim(input, 1);
    positions = apart ? call.dim(input, 2) : batch > 0 ? call.dim(input, 0) / batch : 0;
    width = apart ? call.dim(input, 3) : heads > 0 ? call.width(input) / heads : 0;
  }

  bool fits(const Call& call, int input) const {
    return heads > 0 && batch > 0 && heads * batch * positions * width == call.size(input);
  }

  int64_t at(int64_t head, int64_t prompt) const {
    return apart ? (head * batch + prompt) * positions * width : prompt * positions * heads * width + head * width;
  }

  int64_t stride() const { return apart ? width : heads * width; }

  Rows rows(const float* data, int64_t head, int64_t prompt) const { return {data + at(head, prompt), stride()}; }

  WritableRows rows(float* data, int64_t head, int64_t prompt) const {
    return {data ? data + at(head, prompt) : nullptr, stride()};
  }
};

// What attention reads: q, k, v, the bias [1, batch or 1, queries, keys]; `kind` is the batch, `heads` and `shared` how
// many heads queries and keys have. Each head of keys serves as many of queries as follow each other.
struct Attention {
  HeadsIn q, k, v;
  int64_t group;
  bool oneBias;
  float scale;

  Attention(const Settings& settings, const Call& call, int first, int bias)
      : q(call, first, settings.kind, settings.heads),
        k(call, first + 1, settings.kind, settings.shared),
        v(call, first + 2, settings.kind, settings.shared),
        group(k.heads > 0 ? q.heads / k.heads : 0),
        oneBias(call.rank(bias) == 4 && call.dim(bias, 1) == 1),
        scale(settings.factor) {}

  bool fits(const Call& call, int first, int bias) const {
    return q.fits(call, first) && k.fits(call, first + 1) && v.fits(call, first + 2) && q.width == k.width &&
           q.batch == k.batch && q.batch == v.batch && k.heads == v.heads && k.positions == v.positions &&
           group * k.heads == q.heads && q.positions <= k.positions && call.rank(bias) == 4 &&
           call.size(bias) == (oneBias ? 1 : q.batch) * q.positions * k.positions;
  }

  Head head(const Call& call, int first, const float* bias, float* weights, int64_t at, int64_t prompt,
            std::vector<float>& scratch) const {
    const int64_t scores = q.positions * k.positions;
    scratch.resize(std::max<size_t>(scratch.size(), scratchFor(q.positions, k.positions, q.width, v.width)));
    Head head{q.positions, k.positions, q.width, v.width, scale};
    head.q = q.rows(call.in(first), at, prompt);
    head.k = k.rows(call.in(first + 1), at / group, prompt);
    head.v = v.rows(call.in(first + 2), at / group, prompt);
    head.bias = bias + (oneBias ? 0 : prompt * scores);
    head.weights = weights + (at * q.batch + prompt) * scores;
    head.scratch = scratch.data();
    return head;
  }

  // Floats behind a head of keys on a prompt, as each() counts them.
  int64_t cost() const { return group * q.positions * k.positions * (q.width + v.width) / 8; }
};

void attend(const Settings& settings, Call& call) {
  const Attention shape(settings, call, 0, 3);
  if (!call.require(shape.fits(call, 0, 3), "queries, keys, values and bias do not fit")) return;
  const HeadsIn &q = shape.q, &k = shape.k, &v = shape.v;
  float* z = call.allocate(0, {q.batch * q.positions, q.heads * v.width});
  float* weights = call.allocate(1, {q.heads, q.batch, q.positions, k.positions});
  if (!weights) return;
  HeadsIn out = v;
  out.apart = false;
  out.heads = q.heads;
  out.positions = q.positions;
  Team::instance().each(q.batch * k.heads, shape.cost(), [&](int64_t from, int64_t to) {
    thread_local std::vector<float> scratch;
    for (int64_t unit = from; unit < to; unit++)
      for (int64_t one = 0; one < shape.group; one++) {
        const int64_t at = unit % shape.k.heads * shape.group + one, prompt = unit / shape.k.heads;
        loops().attend(shape.head(call, 0, call.in(3), weights, at, prompt, scratch), out.rows(z, at, prompt));
      }
  });
}

// dz side by side, then q, k, v and the weights; unless `flag` is set dk and dv are left as they come, unread.
void attendPull(const Settings& settings, Call& call) {
  const Attention shape(settings, call, 1, 4);
  HeadsIn back = shape.v;
  back.apart = false;
  back.heads = shape.q.heads;
  back.positions = shape.q.positions;
  const bool fits = shape.group > 0 && shape.q.fits(call, 1) && shape.k.fits(call, 2) && shape.v.fits(call, 3) &&
                    back.fits(call, 0) && shape.q.width == shape.k.width &&
                    call.size(4) == shape.q.heads * shape.q.batch * shape.q.positions * shape.k.positions;
  if (!call.require(fits, "gradient, queries, keys, values and weights do not fit")) return;
  float *dq = call.out(0, 1), *dk = call.out(1, 2), *dv = call.out(2, 3);
  if (!dv) return;
  const bool keys = settings.flag;
  Team::instance().each(shape.q.batch * shape.k.heads, 2 * shape.cost(), [&](int64_t from, int64_t to) {
    thread_local std::vector<float> scratch;
    for (int64_t unit = from; unit < to; unit++) {
      const int64_t shared = unit % shape.k.heads, prompt = unit / shape.k.heads;
      const WritableRows dKeys = shape.k.rows(dk, shared, prompt), dValues = shape.v.rows(dv, shared, prompt);
      for (int64_t one = 0; one < shape.group; one++) {
        const int64_t at = shared * shape.group + one;
        auto* weights = const_cast<float*>(call.in(4));
        Head head = shape.head(call, 1, nullptr, weights, at, prompt, scratch);
        loops().attendPull(head, back.rows(call.in(0), at, prompt), shape.q.rows(dq, at, prompt),
                           keys ? dKeys : WritableRows{nullptr, 0}, dValues, one > 0);
      }
    }
  });
}

// x apart, or side by side where `kind` is the batch and `heads` how many there are; cos and sin [at least as many positions, dims], whose last row is x's last.
void rotate(const Settings& settings, Call& call) {
  const HeadsIn shape(call, 0, settings.kind, settings.heads);
  const bool fits = shape.fits(call, 0) && call.rank(1) == 2 && call.size(1) == call.size(2) &&
                    call.dim(1, 0) >= shape.positions && call.width(1) <= shape.width && call.width(1) % 2 == 0;
  if (!call.require(fits, "values and rotations do not fit")) return;
  const int64_t width = shape.width, dims = call.width(1), positions = shape.positions;
  const int64_t skipped = call.dim(1, 0) - positions;
  const float *x = call.in(0), *cos = call.in(1) + skipped * dims, *sin = call.in(2) + skipped * dims;
  float* y = call.out(0, 0);
  if (!y) return;
  // As they lie, rows of a head's width come by position alone where heads are apart, else by head and then position.
  const int64_t repeats = shape.apart ? 1 : shape.heads;
  Team::instance().each(call.size(0) / width, width, [&](int64_t from, int64_t to) {
    for (int64_t row = from; row < to; row++) {
      const int64_t at = row / repeats % positions * dims;
      loops().rotate(x + row * width, cos + at, sin + at, y + row * width, width, dims, settings.factor);
    }
  });
}

// own [rows, width], base [rows or 1, width], mask [width].
void mix(const Settings&, Call& call) {
  const int64_t width = call.width(0), rows = call.rows(0), step = call.rows(1) == 1 ? 0 : width;
  const bool fits = call.size(2) == width && call.width(1) == width && (step == 0 || call.rows(1) == rows);
  if (!call.require(fits, "coefficients, their replacements and the mask do not fit")) return;
  const float *own = call.in(0), *base = call.in(1), *mask = call.in(2);
  float *mixed = call.out(0, 0), *difference = call.out(1, 0);
  if (!difference) return;
  Team::instance().each(rows, width, [&](int64_t from, int64_t to) {
    for (int64_t row = from; row < to; row++)
      loops().mix(own + row * width, base + row * step, mask, mixed + row * width, difference + row * width, width);
  });
}

// So many columns are added up at a time.
constexpr int64_t kColumns = 128;

// So many products of a matrix product take as long as one float of the loops above.
constexpr int64_t kProductsPerFloat = 32;

// gradient and difference [rows, width], mask [width].
void mixPull(const Settings&, Call& call) {
  const int64_t width = call.width(0), rows = call.rows(0);
  if (!call.require(call.size(1) == call.size(0) && call.size(2) == width, "gradient and mask do not fit")) return;
  const float *gradient = call.in(0), *difference = call.in(1), *mask = call.in(2);
  float *dOwn = call.out(0, 0), *dMask = call.allocate(1, {width});
  if (!dMask) return;
  // By columns, so that each sum is one thread's and comes out the same however many there are.
  std::memset(dMask, 0, width * sizeof(float));
  Team::instance().each((width + kColumns - 1) / kColumns, rows * kColumns, [&](int64_t from, int64_t to) {
    const int64_t first = from * kColumns, count = std::min(width, to * kColumns) - first;
    for (int64_t row = 0; row < rows; row++) {
      const int64_t at = row * width + first;
      loops().mixPull(gradient + at, difference + at, mask + first, dOwn + at, dMask + first, count);
    }
  });
}

// Positions [batch·positions, width] of which the first or the last `heads` stay.
void cut(const Settings& settings, Call& call) {
  const int64_t batch = settings.kind, count = settings.heads, rows = call.rows(0), width = call.width(0);
  const int64_t positions = batch > 0 ? rows / batch : 0;
  if (!call.require(batch > 0 && positions * batch == rows && count <= positions, "there are not as many positions"))
    return;
  const float* x = call.in(0) + (settings.flag ? positions - count : 0) * width;
  float* y = call.allocate(0, {batch * count, width});
  if (!y) return;
  Team::instance().each(batch, count * width, [&](int64_t from, int64_t to) {
    for (int64_t prompt = from; prompt < to; prompt++)
      std::memcpy(y + prompt * count * width, x + prompt * positions * width, count * width * sizeof(float));
  });
}

// Positions of each prompt, one lot after the other.
void join(const Settings& settings, Call& call) {
  const int64_t batch = settings.kind, width = call.width(0);
  const int64_t first = batch > 0 ? call.rows(0) / batch : 0, last = batch > 0 ? call.rows(1) / batch : 0;
  const bool fits = batch > 0 && first * batch == call.rows(0) && last * batch == call.rows(1) && call.width(1) == width;
  if (!call.require(fits, "what is to be joined does not fit")) return;
  const float *start = call.in(0), *end = call.in(1);
  float* y = call.allocate(0, {batch * (first + last), width});
  if (!y) return;
  Team::instance().each(batch, (first + last) * width, [&](int64_t from, int64_t to) {
    for (int64_t prompt = from; prompt < to; prompt++) {
      float* target = y + prompt * (first + last) * width;
      std::memcpy(target, start + prompt * first * width, first * width * sizeof(float));
      std::memcpy(target + first * width, end + prompt * last * width, last * width * sizeof(float));
    }
  });
}

#ifdef ORTHOSCOPE_AMX
// Here and not in amx.cc, whose every function may hold instructions that other processors do not know.
bool hasMatrixUnit() {
  unsigned a, b, c, bits, more;
  constexpr unsigned kTiles = 1u << 24, kTilesOfBf16 = 1u << 22, kAvx512Bf16 = 1u << 5;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &bits) || !(bits & kTiles) || !(bits & kTilesOfBf16)) return false;
  if (!__get_cpuid_count(7, 1, &more, &b, &c, &bits) || !(more & kAvx512Bf16)) return false;
  // Linux keeps room for tiles only where a process asks for it. All its threads may use them then.
  constexpr int kAsk = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kAsk, kTileData) == 0;
}

bool usesMatrixUnit() {
  static const bool uses = [] {
    const std::string most = mostInstructions();
    const bool free = most.empty() || most == "DEFAULT" || most == "ALL" || most.find("AMX") != std::string::npos;
    return free && hasMatrixUnit();
  }();
  return uses;
}
#endif

#ifdef ORTHOSCOPE_OPENBLAS
// A product is cut into as many tiles as there are threads. Each of them packs its part of either operand: so many
// rows of tiles as make that least.
struct Tiles {
  int64_t down, across;

  // By our own loops: several tiles a thread, so that who is late does fewer of them. Each lays out its part of the weight,
  // so they are cut between columns first; rows are only where those give too few tiles, or would be too many to be met
  // again in a cache.
  static Tiles unpacked(int64_t threads, int64_t rows, int64_t cols) {
    constexpr int64_t kEach = 4, kLeastRows = 256, kMostRows = 1024, kCols = 2 * kWidePanel;
    Tiles tiles(1, rows, cols);
    const auto upTo = [](int64_t count) { return std::max<int64_t>(1, count); };
    tiles.across = std::min(kEach * threads, upTo(cols / kCols));
    const int64_t wanted = (kEach * threads + tiles.across - 1) / tiles.across;
    tiles.down = std::clamp(wanted, upTo(rows / kMostRows), upTo(rows / kLeastRows));
    return tiles;
  }

  Tiles(int64_t threads, int64_t rows, int64_t cols) : down(1), across(threads) {
    for (int64_t by = 1; by <= threads; by++)
      if (threads % by == 0 && packed(by, threads / by, rows, cols) < packed(down, across, rows, cols)) {
        down = by;
        across = threads / by;
      }
  }

 private:
  static int64_t packed(int64_t down, int64_t across, int64_t rows, int64_t cols) { return across * rows + down * cols; }
};

// What OpenBLAS's kernels and ours have in registers at a time, of rows at least.
constexpr int64_t kUnit = 16;

// Where the i-th of `parts` begins, at a multiple of a unit.
int64_t boundary(int64_t size, int64_t parts, int64_t i, int64_t unit) {
  return i == parts ? size : size * i / parts / unit * unit;
}

// Of a product with so many multiplications, whether the matrix unit takes it; smaller ones it would spend on cutting.
bool byMatrixUnit([[maybe_unused]] int64_t rows, [[maybe_unused]] int64_t cols, [[maybe_unused]] int64_t inner) {
#ifdef ORTHOSCOPE_AMX
  constexpr int64_t kLeast = 1 << 18, kLeastInner = 32;
  return usesMatrixUnit() && inner >= kLeastInner && rows * cols * inner >= kLeast;
#else
  return false;
#endif
}

// Whether our own loops over vectors of 512 bits (wide.cc) take a product: where they lay a weight out, by panels that
// should be full and while they multiply by rows after the first ones; else by vectors along its rows.
bool byWideVectors([[maybe_unused]] int64_t rows, [[maybe_unused]] int64_t cols, [[maybe_unused]] int64_t inner,
                   [[maybe_unused]] bool transposed) {
#ifdef ORTHOSCOPE_X86
  if (&loops() != &kAvx512) return false;
  constexpr int64_t kLeastRows = 32, kLeastCols = 96;
  const int64_t filled = (cols + kWidePanel - 1) / kWidePanel * kWidePanel;
  constexpr int64_t kLeastDots = 4, kLeastInner = 128;
  if (transposed && rows <= kMostDots) return rows >= kLeastDots && inner >= kLeastInner;
  return rows >= kLeastRows && cols >= kLeastCols && filled - cols <= cols / 10;
#else
  return false;
#endif
}

// x [.., inner], one weight [inner, cols] or transposed, and perhaps a bias [cols].
void product(const Settings& settings, Call& call) {
  const bool transposed = settings.flag, biased = call.inputs() == 3;
  const bool matrices = call.rank(0) >= 2 && call.rank(1) >= 2;
  const int64_t inner = matrices ? call.dim(0, -1) : 0;
  const int64_t cols = matrices ? call.dim(1, transposed ? -2 : -1) : 0;
  int64_t rows = matrices ? 1 : 0;
  for (int axis = 0; axis < call.rank(0) - 1; axis++) rows *= call.dim(0, axis);
  const bool fits = matrices && call.dim(1, transposed ? -1 : -2) == inner && call.size(1) == inner * cols &&
                    (!biased || call.size(2) == cols);
  if (!call.require(fits, "the factors of a product do not fit")) return;
  const float *x = call.in(0), *weight = call.in(1), *bias = biased ? call.in(2) : nullptr;
  float* y = call.out(0, 0, cols);
  if (!y || rows == 0 || cols == 0) return;
  if (inner == 0) {
    for (int64_t i = 0; i < rows * cols; i++) y[i] = biased ? bias[i % cols] : 0;
    return;
  }
  becomeLarge(weight, inner * cols * sizeof(float));
  Team& team = Team::instance();
  const bool matrixUnit = byMatrixUnit(rows, cols, inner);
  const bool wide = !matrixUnit && byWideVectors(rows, cols, inner, transposed);
  const Tiles tiles = wide ? Tiles::unpacked(team.threads(), rows, cols) : Tiles(team.threads(), rows, cols);
  const int64_t unit = wide ? kWidePanel : kUnit;
  const int64_t cost = rows * cols * std::max<int64_t>(1, inner) / kProductsPerFloat / (tiles.down * tiles.across);
  team.each(tiles.down * tiles.across, cost, [&](int64_t from, int64_t to) {
    for (int64_t tile = from; tile < to; tile++) {
      const int64_t i = tile / tiles.across, j = tile % tiles.across;
      const int64_t top = boundary(rows, tiles.down, i, kUnit), height = boundary(rows, tiles.down, i + 1, kUnit) - top;
      const int64_t left = boundary(cols, tiles.across, j, unit), width = boundary(cols, tiles.across, j + 1, unit) - left;
      if (height == 0 || width == 0) continue;
      float* corner = y + top * cols + left;
      const float *part = x + top * inner, *columns = weight + (transposed ? left * inner : left);
      const int64_t stride = transposed ? inner : cols;
#ifdef ORTHOSCOPE_AMX
      if (matrixUnit) {
        amxProduct(part, inner, columns, stride, transposed, biased ? bias + left : nullptr, corner, cols, height, width,
                   inner);
        continue;
      }
#endif
#ifdef ORTHOSCOPE_X86
      if (wide) {
        wideProduct(part, inner, columns, stride, transposed, biased ? bias + left : nullptr, corner, cols, height, width,
                    inner);
        continue;
      }
#endif
      // OpenBLAS adds to what is there: a bias costs no pass of its own.
      for (int64_t row = 0; biased && row < height; row++)
        std::memcpy(corner + row * cols, bias + left, width * sizeof(float));
      scipy_cblas_sgemm(CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans, height, width, inner, 1,
                        part, inner, columns, stride, biased ? 1 : 0, corner, cols);
    }
  });
}

// x [rows, heads·inner], heads side by side, each times a matrix of its own: [heads, inner, cols] or transposed, and
// perhaps a bias [heads, cols].
void byHead(const Settings& settings, Call& call) {
  const bool transposed = settings.flag, biased = call.inputs() == 3, whole = call.rank(0) == 2 && call.rank(1) == 3;
  const int64_t heads = whole ? call.dim(1, 0) : 0, rows = whole ? call.rows(0) : 0;
  const int64_t inner = whole ? call.dim(1, transposed ? 2 : 1) : 0, cols = whole ? call.dim(1, transposed ? 1 : 2) : 0;
  const bool fits = whole && call.width(0) == heads * inner && (!biased || call.size(2) == heads * cols);
  if (!call.require(fits, "heads and their matrices do not fit")) return;
  const float *x = call.in(0), *matrices = call.in(1), *bias = biased ? call.in(2) : nullptr;
  float* y = call.allocate(0, {rows, heads * cols});
  if (!y || rows == 0 || cols == 0) return;
  // By parts of rows as well: few heads must not leave threads idle.
  constexpr int64_t kRowsOfPart = 192;
  const int64_t parts = (rows + kRowsOfPart - 1) / kRowsOfPart;
  const int64_t cost = rows / parts * cols * std::max<int64_t>(1, inner) / kProductsPerFloat;
  Team::instance().each(heads * parts, cost, [&](int64_t from, int64_t to) {
    for (int64_t unit = from; unit < to; unit++) {
      const int64_t head = unit / parts, part = unit % parts;
      const int64_t top = part * rows / parts, height = (part + 1) * rows / parts - top;
      float* corner = y + top * heads * cols + head * cols;
      for (int64_t row = 0; biased && row < height; row++)
        std::memcpy(corner + row * heads * cols, bias + head * cols, cols * sizeof(float));
      scipy_cblas_sgemm(CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans, height, cols, inner, 1,
                        x + top * heads * inner + head * inner, heads * inner, matrices + head * inner * cols,
                        transposed ? inner : cols, biased ? 1 : 0, corner, heads * cols);
    }
  });
}
#endif

using Compute = void (*)(const Settings&, Call&);

void* readSettings(TF_OpKernelConstruction* construction) {
  auto* settings = new Settings();
  std::unique_ptr<TF_Status, Freed> status(TF_NewStatus());
  TF_Bool flag = 0;
  TF_OpKernelConstruction_GetAttrInt64(construction, "kind", &settings->kind, status.get());
  TF_OpKernelConstruction_GetAttrInt64(construction, "heads", &settings->heads, status.get());
  TF_OpKernelConstruction_GetAttrInt64(construction, "shared", &settings->shared, status.get());
  TF_OpKernelConstruction_GetAttrFloat(construction, "factor", &settings->factor, status.get());
  TF_OpKernelConstruction_GetAttrBool(construction, "flag", &flag, status.get());
  settings->flag = flag != 0;
  if (TF_GetCode(status.get()) != TF_OK) TF_OpKernelConstruction_Failure(construction, status.get());
  return settings;
}

template <Compute compute>
void computeWith(void* settings, TF_OpKernelContext* context) {
  Call call(context);
  if (call.sound()) compute(*static_cast<Settings*>(settings), call);
}

void deleteSettings(void* settings) { delete static_cast<Settings*>(settings); }

void unknownShape(TF_ShapeInferenceContext* context, TF_Status* status) {
  TF_ShapeInferenceContextSetUnknownShape(context, status);
}

// All operations have the same attributes, whichever of them they read: see Settings.
template <Compute compute>
void offer(const char* name, std::initializer_list<const char*> inputs, std::initializer_list<const char*> outputs) {
  std::unique_ptr<TF_Status, Freed> status(TF_NewStatus());
  TF_OpDefinitionBuilder* definition = TF_NewOpDefinitionBuilder(name);
  for (const char* attribute : {"kind: int = 0", "heads: int = 0", "shared: int = 0", "factor: float = 0.0", "flag: bool = false"})
    TF_OpDefinitionBuilderAddAttr(definition, attribute);
  for (const char* input : inputs) TF_OpDefinitionBuilderAddInput(definition, (std::string(input) + ": float").c_str());
  for (const char* output : outputs)
    TF_OpDefinitionBuilderAddOutput(definition, (std::string(output) + ": float").c_str());
  TF_OpDefinitionBuilderSetShapeInferenceFunction(definition, unknownShape);
  TF_RegisterOpDefinition(definition, status.get());
  if (TF_GetCode(status.get()) != TF_OK) return;  // fused.ts finds it missing and does without
  TF_KernelBuilder* builder =
      TF_NewKernelBuilder(name, "CPU", readSettings, computeWith<compute>, deleteSettings);
  TF_RegisterKernelBuilder(name, builder, status.get());
}

const bool offered = [] {
  offer<activate>("OrthoscopeActivate", {"x"}, {"y"});
  offer<activatePull>("OrthoscopeActivatePull", {"dy", "x"}, {"dx"});
  offer<gate>("OrthoscopeGate", {"gate", "up"}, {"y"});
  offer<gatePull>("OrthoscopeGatePull", {"dy", "gate", "up"}, {"d_gate", "d_up"});
  offer<normalise>("OrthoscopeNormalise", {"x"}, {"y", "rate"});
  offer<normalisePull>("OrthoscopeNormalisePull", {"dy", "y", "rate"}, {"dx"});
  offer<normalisePull>("OrthoscopeNormalisePullOnto", {"dy", "y", "rate", "onto"}, {"dx"});
  offer<divergence>("OrthoscopeDivergence", {"logits", "teacher"}, {"kl", "d_logits"});
  offer<attend>("OrthoscopeAttend", {"q", "k", "v", "bias"}, {"z", "weights"});
  offer<attendPull>("OrthoscopeAttendPull", {"dz", "q", "k", "v", "weights"}, {"dq", "dk", "dv"});
  offer<softmax>("OrthoscopeSoftmax", {"scores", "bias"}, {"weights"});
  offer<softmaxPull>("OrthoscopeSoftmaxPull", {"d_weights", "weights"}, {"d_scores"});
  offer<rotate>("OrthoscopeRotate", {"x", "cos", "sin"}, {"y"});
  offer<mix>("OrthoscopeMix", {"own", "base", "mask"}, {"mixed", "difference"});
  offer<mixPull>("OrthoscopeMixPull", {"gradient", "difference", "mask"}, {"d_own", "d_mask"});
  offer<cut>("OrthoscopeCut", {"x"}, {"y"});
  offer<join>("OrthoscopeJoin", {"first", "last"}, {"y"});
#ifdef ORTHOSCOPE_OPENBLAS
  scipy_openblas_set_num_threads(1);
#ifdef ORTHOSCOPE_AMX
  // Never run: its presence tells fused.ts that the matrix unit is in use.
  if (usesMatrixUnit()) offer<product>("OrthoscopeMatrixUnitProduct", {"x", "weight"}, {"y"});
#endif
  offer<product>("OrthoscopeProduct", {"x", "weight"}, {"y"});
  offer<product>("OrthoscopeBiasedProduct", {"x", "weight", "bias"}, {"y"});
  offer<byHead>("OrthoscopeByHead", {"x", "matrices"}, {"y"});
  offer<byHead>("OrthoscopeBiasedByHead", {"x", "matrices", "bias"}, {"y"});
#endif
  return true;
}();

}  // namespace
}  // namespace orthoscope
