/* named.c - see named.h. The texts are those that the models of a family publish, put shortly. */
#include "named.h"

#include <stdio.h>
#include <string.h>

#define IM_SAYS(role, text) "<|im_start|>" role "\n" text "<|im_end|>\n"
#define IM_MESSAGES                                                                                \
    "{% for m in messages %}" IM_SAYS(                                                             \
        "{{ m.role }}",                                                                            \
        "{{ m.content }}") "{% endfor %}"                                                          \
                           "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
#define IM_DEFAULT(system)                                                                         \
    "{{ bos_token }}{% if messages[0].role != 'system' %}" IM_SAYS(                                \
        "system", system) "{% endif %}" IM_MESSAGES
#define IM_NEEDS                                                                                   \
    { "<|im_start|>", "<|im_end|>" }

static const struct bnt_named_template all[] = {
    {.name = "llama3",
     .text = "{{ bos_token }}{% for m in messages %}"
             "<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content | trim }}<|eot_id|>"
             "{% endfor %}{% if add_generation_prompt %}"
             "<|start_header_id|>assistant<|end_header_id|>{{ '\\n\\n' }}{% endif %}",
     .needs = {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
     .bos = true},
    {.name = "bitnet",
     .text = "{{ bos_token }}{% for m in messages %}"
             "{{ m.role | capitalize }}: {{ m.content | trim }}<|eot_id|>"
             "{% endfor %}{% if add_generation_prompt %}Assistant: {% endif %}",
     .needs = {"<|eot_id|>"},
     .bos = true},
    {.name = "qwen2", .text = IM_DEFAULT("You are a helpful assistant."), .needs = IM_NEEDS},
    {.name = "qwen2.5",
     .text = IM_DEFAULT("You are Qwen, created by Alibaba Cloud. You are a helpful assistant."),
     .needs = IM_NEEDS},
    {.name = "chatml", .text = "{{ bos_token }}" IM_MESSAGES, .needs = IM_NEEDS},
    {.name = "llama2", /* the system text is a part of the first message */
     .text = "{% set ns = namespace(system='') %}{% for m in messages %}"
             "{% if m.role == 'system' %}"
             "{% set ns.system = '<<SYS>>\\n' ~ m.content ~ '\\n<</SYS>>\\n\\n' %}"
             "{% elif m.role == 'user' %}"
             "{{ bos_token }}[INST] {{ (ns.system ~ m.content) | trim }} [/INST]"
             "{% set ns.system = '' %}"
             "{% else %}{{ m.content }} </s>{% endif %}{% endfor %}",
     .needs = {"</s>"},
     .bos = true},
    {.name = "falcon3",
     .text = "{{ bos_token }}{% for m in messages %}"
             "{% if m.role == 'system' %}<|system|>\n{{ m.content }}\n"
             "{% elif m.role == 'user' %}<|user|>\n{{ m.content }}\n"
             "{% else %}<|assistant|>\n{{ m.content }}<|endoftext|>\n{% endif %}{% endfor %}"
             "{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
     .needs = {"<|endoftext|>"}},
    {.name = "instruct",
     .text = "{{ bos_token }}{% for m in messages %}"
             "{% if m.role == 'system' %}{{ m.content | trim }}\n\n"
             "{% elif m.role == 'user' %}Q: {{ m.content | trim }}\nA:"
             "{% else %}{{ m.content }}\n{% endif %}{% endfor %}",
     .stop = "\nQ:"},
    {.name = "raw",
     .text = "{{ bos_token }}{% for m in messages %}{{ m.content }}"
             "{% if m.role == 'system' %}{{ '\\n' }}{% endif %}{% endfor %}"},
};
enum { N = sizeof all / sizeof all[0] };

const struct bnt_named_template *bnt_named_template(const char *name) {
    for (size_t i = 0; i < N; i++)
        if (strcmp(all[i].name, name) == 0) return &all[i];
    return NULL;
}

const char *bnt_named_templates(char *out, size_t size) {
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < N && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? " " : "", all[i].name);
    return out;
}

const struct bnt_named_template *bnt_template_instead(const char *text, size_t len,
                                                      const char **remark) {
    static const char *const placeholder[] = {"'Human: '", "BITNETAssistant: "};
    for (size_t i = 0; i < 2; i++)
        if (!memmem(text, len, placeholder[i], strlen(placeholder[i]))) return NULL;
    *remark = "the template in this file is a placeholder that the model was not trained on; the "
              "published one of BitNet b1.58 2B4T is used";
    return bnt_named_template("bitnet");
}
