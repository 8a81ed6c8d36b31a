/*
 * layout.c - where a compiler puts the members of the structures that python/bitnet/_native.py
 * declares: a line "STRUCTURE MEMBER OFFSET" each, and "STRUCTURE - SIZE".
 */
#include <bitnet/bitnet.h>
#include <stddef.h>
#include <stdio.h>

#define SIZE(type) printf(#type " - %zu\n", sizeof(struct type))
#define AT(type, member) printf(#type " " #member " %zu\n", offsetof(struct type, member))

int main(void) {
    SIZE(bnt_err);
    AT(bnt_err, status);
    AT(bnt_err, text);
    SIZE(bnt_engine_options);
    AT(bnt_engine_options, struct_size);
    AT(bnt_engine_options, backend);
    AT(bnt_engine_options, plugin_dir);
    AT(bnt_engine_options, threads);
    AT(bnt_engine_options, progress);
    AT(bnt_engine_options, progress_arg);
    AT(bnt_engine_options, cancelled);
    AT(bnt_engine_options, cancelled_arg);
    AT(bnt_engine_options, ignore_keys);
    AT(bnt_engine_options, n_ignore_keys);
    AT(bnt_engine_options, i2s_layout);
    AT(bnt_engine_options, together);
    SIZE(bnt_engine_info);
    AT(bnt_engine_info, architecture);
    AT(bnt_engine_info, name);
    AT(bnt_engine_info, backend);
    AT(bnt_engine_info, backend_variant);
    AT(bnt_engine_info, n_vocab);
    AT(bnt_engine_info, n_layer);
    AT(bnt_engine_info, n_embd);
    AT(bnt_engine_info, n_ff);
    AT(bnt_engine_info, n_head);
    AT(bnt_engine_info, n_head_kv);
    AT(bnt_engine_info, head_dim);
    AT(bnt_engine_info, n_ctx_train);
    AT(bnt_engine_info, parameters);
    AT(bnt_engine_info, ternary_parameters);
    AT(bnt_engine_info, file_bytes);
    AT(bnt_engine_info, packed_bytes);
    AT(bnt_engine_info, load_seconds);
    AT(bnt_engine_info, i2s_layout);
    AT(bnt_engine_info, i2s_known);
    AT(bnt_engine_info, i2s_seen);
    AT(bnt_engine_info, i2s_margin);
    AT(bnt_engine_info, i2s_contradicted);
    AT(bnt_engine_info, backend_warning);
    SIZE(bnt_context_options);
    AT(bnt_context_options, struct_size);
    AT(bnt_context_options, n_ctx);
    AT(bnt_context_options, n_batch);
    AT(bnt_context_options, threads);
    AT(bnt_context_options, no_bind);
    AT(bnt_context_options, cancelled);
    AT(bnt_context_options, cancelled_arg);
    SIZE(bnt_top);
    AT(bnt_top, logit);
    AT(bnt_top, id);
    SIZE(bnt_row);
    AT(bnt_row, token);
    AT(bnt_row, want);
    AT(bnt_row, k);
    AT(bnt_row, n_ids);
    AT(bnt_row, ids);
    AT(bnt_row, allowed);
    SIZE(bnt_span);
    AT(bnt_span, sequence);
    AT(bnt_span, ids);
    AT(bnt_span, count);
    AT(bnt_span, rows);
    AT(bnt_span, n_rows);
    AT(bnt_span, pool);
    AT(bnt_span, reserved);
    SIZE(bnt_bias);
    AT(bnt_bias, id);
    AT(bnt_bias, bias);
    SIZE(bnt_sampling);
    AT(bnt_sampling, temperature);
    AT(bnt_sampling, top_k);
    AT(bnt_sampling, top_p);
    AT(bnt_sampling, min_p);
    AT(bnt_sampling, repeat_penalty);
    AT(bnt_sampling, repeat_last);
    AT(bnt_sampling, seed);
    AT(bnt_sampling, presence_penalty);
    AT(bnt_sampling, frequency_penalty);
    AT(bnt_sampling, biases);
    AT(bnt_sampling, n_biases);
    SIZE(bnt_chat_message);
    AT(bnt_chat_message, role);
    AT(bnt_chat_message, text);
    AT(bnt_chat_message, len);
    SIZE(bnt_chat_options);
    AT(bnt_chat_options, struct_size);
    AT(bnt_chat_options, template_name);
    AT(bnt_chat_options, template_text);
    AT(bnt_chat_options, template_len);
    AT(bnt_chat_options, time);
    return 0;
}
