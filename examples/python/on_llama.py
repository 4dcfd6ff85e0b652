"""Llama, Mistral and Qwen 2: their matrices as docs/maths.md writes them, and the directions of these."""
import torch

def augmented(linear, norm=None):
    """[bias; weight] with the gain of the norm that it reads; without a bias the weight alone. Nothing is centred: RMSNorm."""
    weight = linear.weight.double().T
    if norm is not None:
        weight = norm.weight.double()[:, None] * weight
    return weight if linear.bias is None else torch.cat([linear.bias.double()[None], weight])

def mlp_parts(block):
    mlp, norm = block.mlp, block.post_attention_layernorm
    return {"mlp_gate": (mlp.gate_proj, norm), "mlp_up": (mlp.up_proj, norm), "mlp_down": (mlp.down_proj, None)}

def carriers(model):
    """What carries coefficients at the last token: the modules, and whether it is in their input or their output."""
    for layer, block in enumerate(model.model.layers):
        yield f"L{layer}.ov", block.self_attn.o_proj, True
        for kind, (linear, _) in mlp_parts(block).items():
            yield f"L{layer}.{kind}", linear, False

def turns(rotary, offsets):
    """R_Δ for Δ = 0 … offsets − 1: a row times it is turned as transformers turns queries and keys by Δ positions."""
    angles = torch.arange(offsets)[:, None] * rotary.inv_freq.double()
    cos, sin = angles.cos().diag_embed(), angles.sin().diag_embed()
    return torch.cat([torch.cat([cos, sin], -1), torch.cat([-sin, cos], -1)], -2)

def query_directions(query, key, turn):
    """U of [b_Q; W_Q] L with L Lᵀ = G, the mean over offsets of R_Δᵀ Kᵀ K R_Δ. Any root L of G has the same U."""
    squares, axes = torch.linalg.eigh((turn.mT @ (key.T @ key) @ turn).mean(0))
    return torch.linalg.svd(query @ (axes * squares.clamp(0).sqrt()), False).U

def written_directions(value, output, bias):
    """Vᵀ of [[b_V, 1], [W_V, 0]] · [W_O; b_O/H], by way of its factors; without an output bias of [b_V; W_V] · W_O."""
    if bias is not None:
        one = torch.eye(len(value)).double()[:, :1]
        value, output = torch.cat([value, one], 1), torch.cat([output, bias[None]])
    basis, rest = torch.linalg.qr(output.T)
    return torch.linalg.svd(value @ rest.T, False).Vh @ basis.T

def install(model, gone, offsets):
    """Drops left-out parts of attention scores; returns what takes a change of what is carried to its left-out directions."""
    heads, turn, projects = model.config.num_attention_heads, turns(model.model.rotary_emb, offsets), {}
    for layer, block in enumerate(model.model.layers):
        attn, norm = block.self_attn, block.input_layernorm
        by_head = lambda linear: augmented(linear, norm).unflatten(1, (-1, attn.head_dim)).transpose(0, 1)
        q, k, v = by_head(attn.q_proj).clone(), by_head(attn.k_proj), by_head(attn.v_proj)
        out = attn.o_proj.weight.double().T.unflatten(0, (heads, -1))
        bias = None if attn.o_proj.bias is None else attn.o_proj.bias.double() / heads
        project = torch.zeros_like(out)
        for head in range(heads):
            shared = head * len(k) // heads
            if (left := gone.get(f"L{layer}H{head}.qk")) is not None:
                u = query_directions(q[head], k[shared], turn)[:, left]
                q[head] -= u @ u.T @ q[head]
            if (left := gone.get(f"L{layer}H{head}.ov")) is not None:
                vt = written_directions(v[shared], out[head], bias)[left]
                project[head] = out[head] @ vt.T @ vt
        projects[f"L{layer}.ov"] = [project.flatten(0, 1)]
        for kind, (linear, before) in mlp_parts(block).items():
            if (left := gone.get(f"L{layer}.{kind}")) is not None:
                vt = torch.linalg.svd(augmented(linear, before), False).Vh[left]
                projects[f"L{layer}.{kind}"] = [vt.T, vt]
        # The queries' matrix now has the norm's gain in it: keys and values take theirs, too, and the norm has none.
        for linear in (attn.k_proj, attn.v_proj):
            linear.weight *= norm.weight
        joined = q.transpose(0, 1).flatten(1).float()
        attn.q_proj.weight.copy_(joined[-len(norm.weight):].T)
        if attn.q_proj.bias is not None:
            attn.q_proj.bias.copy_(joined[0])
        norm.weight.fill_(1)
    return projects
