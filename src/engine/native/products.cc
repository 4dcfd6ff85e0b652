// Products of float64 matrices by OpenBLAS, on the memory of the WebAssembly kernels: an addon of its own, which
// the threads of a decomposition load without TensorFlow. `multiply` is called as assembly/lent.ts says.
#include <node_api.h>

#include "cblas.h"

namespace {

constexpr size_t kArguments = 13;

// A factor as BLAS takes it: whether its columns lie in one run instead of its rows, and how far runs are apart.
struct Factor {
  Factor(const double* from, int rowStride, int columnStride)
      : from(from),
        order(columnStride == 1 ? CblasNoTrans : CblasTrans),
        apart(columnStride == 1 ? rowStride : columnStride) {}
  const double* from;
  CBLAS_TRANSPOSE order;
  int apart;
};

napi_value multiply(napi_env env, napi_callback_info info) {
  napi_value given[kArguments];
  size_t count = kArguments;
  napi_get_cb_info(env, info, &count, given, nullptr, nullptr);
  void* memory;
  size_t bytes;
  int32_t numbers[kArguments];
  bool fits = count == kArguments && napi_get_arraybuffer_info(env, given[0], &memory, &bytes) == napi_ok;
  for (size_t i = 1; fits && i < kArguments; i++) fits = napi_get_value_int32(env, given[i], &numbers[i]) == napi_ok;
  if (!fits) {
    napi_throw_type_error(env, nullptr, "multiply: a memory and twelve numbers are expected");
    return nullptr;
  }
  // Addresses of the upper half of the memory come as negative numbers.
  auto place = [&](size_t i) {
    return reinterpret_cast<double*>(static_cast<char*>(memory) + static_cast<uint32_t>(numbers[i]));
  };
  const int mode = numbers[1], m = numbers[2], n = numbers[3], k = numbers[4];
  const Factor a(place(5), numbers[6], numbers[7]), b(place(8), numbers[9], numbers[10]);
  scipy_cblas_dgemm(CblasRowMajor, a.order, b.order, m, n, k, mode == 2 ? -1 : 1, a.from, a.apart, b.from, b.apart,
                    mode == 0 ? 0 : 1, place(11), numbers[12]);
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  // As many threads call it as decompose: with threads of its own each would wait for the others'.
  scipy_openblas_set_num_threads(1);
  napi_value call;
  napi_create_function(env, "multiply", NAPI_AUTO_LENGTH, multiply, nullptr, &call);
  napi_set_named_property(env, exports, "multiply", call);
  return exports;
}
