"""GPT-2: its matrices as docs/maths.md writes them in the reference form, and their singular directions."""
import torch

def svd(matrix, rank):
    return (part[..., :rank] if at < 2 else part[:rank] for at, part in enumerate(torch.linalg.svd(matrix, False)))

without_mean = lambda matrix: matrix - matrix.mean(-1, keepdim=True)

def folded(linear, norm):
    """[bias; weight] that reads the stream as it was before the norm's gain and bias."""
    weight = norm.weight[:, None].double() * linear.weight.double()
    bias = linear.bias.double() + norm.bias.double() @ linear.weight.double()
    return torch.cat([bias[None], weight - weight.mean(0)])

def carriers(model):
    """What carries coefficients at the last token: the modules, and whether it is in their input or their output."""
    for layer, block in enumerate(model.transformer.h):
        yield f"L{layer}.ov", block.attn.c_proj, True
        yield f"L{layer}.mlp_in", block.mlp.c_fc, False
        yield f"L{layer}.mlp_out", block.mlp.c_proj, False

def install(model, gone, _):
    """Drops left-out parts of attention scores; returns what takes a change of what is carried to its left-out directions."""
    heads, width = model.config.n_head, model.config.n_embd // model.config.n_head
    projects = {}
    for layer, block in enumerate(model.transformer.h):
        attn, mlp = block.attn, block.mlp
        q, k, v = (part.unflatten(1, (heads, width)).transpose(0, 1).clone() for part in folded(attn.c_attn, block.ln_1).chunk(3, 1))
        out = attn.c_proj.weight.double().unflatten(0, (heads, width))
        # Value biases add a constant to the output: it goes to its bias, of which each head has its share.
        bias = without_mean(attn.c_proj.bias.double() + (v[:, :1] @ out).sum((0, 1))) / heads
        project = torch.zeros_like(out)
        for head in range(heads):
            if (left := gone.get(f"L{layer}H{head}.qk")) is not None:
                u, s, vt = svd(q[head] @ k[head].T, width)
                q[head], k[head] = u * (s * ~left), vt.T
            if (left := gone.get(f"L{layer}H{head}.ov")) is not None:
                _, _, vt = svd(torch.cat([bias[None], v[head, 1:] @ without_mean(out[head])]), width + 1)
                project[head] = out[head] @ vt[left].T @ vt[left]
        projects[f"L{layer}.ov"] = [project.flatten(0, 1)]
        read = folded(mlp.c_fc, block.ln_2)
        written = without_mean(torch.cat([mlp.c_proj.bias[None], mlp.c_proj.weight]).double())
        for name, matrix in ((f"L{layer}.mlp_in", read), (f"L{layer}.mlp_out", written)):
            if (left := gone.get(name)) is not None:
                _, _, vt = svd(matrix, len(left))
                projects[name] = [vt[left].T, vt[left]]
        joined = torch.cat([part.transpose(0, 1).flatten(1) for part in (q, k, v)], 1).float()
        attn.c_attn.bias.data, attn.c_attn.weight.data = joined[0], joined[1:]
        block.ln_1.weight.data.fill_(1), block.ln_1.bias.data.zero_()
    return projects
