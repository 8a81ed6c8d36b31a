/*
 * test_receipt_sign.c - signatures over receipts: made, checked, and every change of one found.
 *
 * Keys and an outside signature come from openssl's command, as users make them.
 */
#include <sys/stat.h>

#include "sign.h"
#include "suite.h"
#include "test_receipt.h"

static struct bnt_engine *engine;
static json_t *signed_one;
static char dir[64];

static const char *in_dir(const char *name) {
    static char path[4][128];
    static unsigned next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static void shell(const char *command) {
    char line[400];
    snprintf(line, sizeof line, "cd %s && { %s; } >/dev/null 2>&1", dir, command);
    ck_assert_msg(system(line) == 0, "%s", line);
}

static json_t *signature(json_t *receipt) {
    return json_object_get(receipt, "signature");
}

static struct bnt_signer *open_signer(const char *name) {
    struct bnt_err err = {0};
    struct bnt_signer *signer;
    bool exposed;
    must(bnt_signer_open(&signer, in_dir(name), &exposed, &err), &err);
    return signer;
}

static void set_up(void) {
    struct bnt_err err = {0};
    make_model();
    engine = open_engine("ref-scalar");
    snprintf(dir, sizeof dir, "/tmp/bitnet-test-sign-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    shell(
        "openssl genpkey -algorithm ed25519 -out a.pem; openssl pkey -in a.pem -pubout -out a.pub;"
        "openssl genpkey -algorithm ed25519 -out b.pem; openssl pkey -in b.pem -pubout -out b.pub");
    signed_one = usual_receipt(engine);
    struct bnt_signer *signer = open_signer("a.pem");
    must(bnt_receipt_sign(signed_one, signer, &err), &err);
    bnt_signer_close(signer);
}

static void tear_down(void) {
    char line[100];
    json_decref(signed_one);
    bnt_engine_close(engine);
    remove_model();
    snprintf(line, sizeof line, "rm -rf %s", dir);
    ck_assert_int_eq(system(line), 0);
}

/* `says` NULL: nothing is to be said. */
static void expect(const json_t *receipt, const char *key, enum bnt_check_state state,
                   const char *says) {
    struct bnt_err err = {0};
    struct bnt_verification v = {0};
    must(bnt_receipt_check(receipt, &err), &err);
    must(bnt_verify_signature(&v, receipt, key ? in_dir(key) : NULL, &err), &err);
    const char *text = v.checks[BNT_CHECK_SIGNATURE].text;
    ck_assert_msg(v.checks[BNT_CHECK_SIGNATURE].state == state, "%s", text);
    ck_assert_msg(says ? strstr(text, says) != NULL : !*text, "%s", text);
}

START_TEST(a_signature_holds) {
    expect(signed_one, "a.pub", BNT_AGREES, "as expected");
    expect(signed_one, NULL, BNT_AGREES, "whose that is, --signer=PUB can say");
    expect(signed_one, "b.pub", BNT_DIFFERS, "b.pub' is ");
    json_t *plain = json_deep_copy(signed_one);
    json_object_del(plain, "signature");
    expect(plain, NULL, BNT_NOT_CHECKED, NULL);
    expect(plain, "a.pub", BNT_DIFFERS, "the receipt is not signed");
    json_decref(plain);
}
END_TEST

/* openssl alone checks it, as the documentation says. */
START_TEST(openssl_agrees) {
    FILE *f = fopen(in_dir("text"), "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "bitnet receipt 1\n%s\n%s\n",
            json_string_value(json_object_get(signed_one, "result_sha256")),
            json_string_value(json_object_get(signed_one, "circumstance_sha256")));
    fclose(f);
    const char *hex = json_string_value(json_object_get(signature(signed_one), "value"));
    f = fopen(in_dir("value"), "w");
    ck_assert_ptr_nonnull(f);
    for (size_t i = 0; i < strlen(hex); i += 2) {
        unsigned byte;
        ck_assert_int_eq(sscanf(hex + i, "%2x", &byte), 1);
        fputc((int)byte, f);
    }
    fclose(f);
    shell("openssl pkeyutl -verify -pubin -inkey a.pub -rawin -in text -sigfile value");
    shell("! openssl pkeyutl -verify -pubin -inkey b.pub -rawin -in text -sigfile value");
}
END_TEST

static void change_digit(json_t *o, const char *name, size_t at) {
    char text[200];
    snprintf(text, sizeof text, "%s", json_string_value(json_object_get(o, name)));
    text[at] = text[at] == '1' ? '2' : '1';
    json_object_set_new(o, name, json_string(text));
}

/* Every digit of the signature and of its key; and what it is over, with the seals made anew. */
START_TEST(any_change_breaks_it) {
    static const char *const members[] = {"value", "public_key"};
    for (size_t m = 0; m < 2; m++) {
        size_t n = strlen(json_string_value(json_object_get(signature(signed_one), members[m])));
        for (size_t i = 0; i < n; i++) {
            json_t *r = json_deep_copy(signed_one);
            change_digit(signature(r), members[m], i);
            expect(r, NULL, BNT_DIFFERS, "one of them was changed");
            expect(r, "a.pub", BNT_DIFFERS, "one of them was changed");
            json_decref(r);
        }
    }
    static const struct {
        const char *part, *field, *value;
    } edits[] = {{"circumstance", "timestamp", "\"2026-01-01T00:00:00Z\""},
                 {"circumstance", "model_path", "\"elsewhere\""},
                 {"result", "template", "\"other\""}};
    for (size_t i = 0; i < 3; i++) {
        json_t *r = json_deep_copy(signed_one);
        json_object_set_new(json_object_get(r, edits[i].part), edits[i].field,
                            json_loads(edits[i].value, JSON_DECODE_ANY, NULL));
        expect(r, "a.pub", BNT_DIFFERS, "one of them was changed");
        reseal(r);
        expect(r, "a.pub", BNT_DIFFERS, "one of them was changed");
        json_decref(r);
    }
    json_t *r = json_deep_copy(signed_one); /* seals alone: the signature is not over them */
    change_digit(r, "result_sha256", 5);
    expect(r, "a.pub", BNT_AGREES, "as expected");
    json_decref(r);
}
END_TEST

/* Somebody else signs the same receipt, and puts his key there. */
START_TEST(another_signer_is_named) {
    struct bnt_err err = {0};
    json_t *r = json_deep_copy(signed_one);
    struct bnt_signer *other = open_signer("b.pem");
    must(bnt_receipt_sign(r, other, &err), &err);
    bnt_signer_close(other);
    expect(r, "b.pub", BNT_AGREES, "as expected");
    expect(r, "a.pub", BNT_DIFFERS, "a.pub' is ");
    json_decref(r);
}
END_TEST

static const struct {
    const char *field, *value, *says;
    int status;
} forms[] = {
    {"algorithm", "\"rsa\"", "receipt: signature.algorithm: 'rsa'; this program knows ed25519",
     BNT_E_UNSUPPORTED},
    {"algorithm", "7", "signature.algorithm: not a string", BNT_E_FORMAT},
    {"value", "\"00\"", "signature.value: not 128 hexadecimal digits", BNT_E_FORMAT},
    {"public_key", "\"\"", "signature.public_key: not 64 hexadecimal digits", BNT_E_FORMAT},
    {"public_key", NULL, "signature.public_key: missing", BNT_E_FORMAT},
    {"time", "1", "signature.time: unknown field", BNT_E_FORMAT},
};

START_TEST(other_forms_are_refused) {
    struct bnt_err err = {0};
    json_t *r = json_deep_copy(signed_one);
    if (forms[_i].value)
        json_object_set_new(signature(r), forms[_i].field,
                            json_loads(forms[_i].value, JSON_DECODE_ANY, NULL));
    else
        json_object_del(signature(r), forms[_i].field);
    ck_assert_int_eq(bnt_receipt_check(r, &err), forms[_i].status);
    ck_assert_msg(strstr(err.text, forms[_i].says), "%s", err.text);
    json_decref(r);
}
END_TEST

START_TEST(keys_that_are_none) {
    static const struct {
        const char *make, *name, *says;
        bool public;
        int status;
    } keys[] = {
        {"true", "nowhere", "No such file", false, BNT_E_IO},
        {"true", "a.pub", "is the public one; the private one signs", false, BNT_E_FORMAT},
        {"true", "a.pem", "is a private one, which is its owner's alone", true, BNT_E_FORMAT},
        {"echo hello >text", "text", "no private key in PEM", false, BNT_E_FORMAT},
        {"echo hello >text", "text", "no public key in PEM", true, BNT_E_FORMAT},
        {"openssl genpkey -algorithm ed448 -out 448.pem", "448.pem", "is for ED448", false,
         BNT_E_UNSUPPORTED},
        {"openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256 -out ec.pem;"
         "openssl pkey -in ec.pem -pubout -out ec.pub",
         "ec.pub", "is for id-ecPublicKey; receipts are signed with Ed25519", true,
         BNT_E_UNSUPPORTED},
        {"openssl pkey -in a.pem -aes256 -passout pass:x -out locked.pem", "locked.pem",
         "is behind a passphrase", false, BNT_E_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct bnt_err err = {0};
        struct bnt_verification v = {0};
        struct bnt_signer *signer;
        bool exposed;
        shell(keys[i].make);
        int status = keys[i].public
                         ? bnt_verify_signature(&v, signed_one, in_dir(keys[i].name), &err)
                         : bnt_signer_open(&signer, in_dir(keys[i].name), &exposed, &err);
        ck_assert_msg(status == keys[i].status, "%s: %s", keys[i].name, err.text);
        ck_assert_msg(strstr(err.text, keys[i].says), "%s", err.text);
    }
}
END_TEST

START_TEST(a_key_that_others_can_read_is_noticed) {
    static const struct {
        mode_t mode;
        bool exposed;
    } modes[] = {{0600, false}, {0400, false}, {0640, true}, {0604, true}};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct bnt_err err = {0};
        struct bnt_signer *signer;
        bool exposed;
        ck_assert_int_eq(chmod(in_dir("a.pem"), modes[i].mode), 0);
        must(bnt_signer_open(&signer, in_dir("a.pem"), &exposed, &err), &err);
        ck_assert_int_eq(exposed, modes[i].exposed);
        bnt_signer_close(signer);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("receipt_sign");
    TCase *tc = tcase_create("receipt_sign");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_signature_holds);
    tcase_add_test(tc, openssl_agrees);
    tcase_add_test(tc, any_change_breaks_it);
    tcase_add_test(tc, another_signer_is_named);
    tcase_add_loop_test(tc, other_forms_are_refused, 0, sizeof forms / sizeof forms[0]);
    tcase_add_test(tc, keys_that_are_none);
    tcase_add_test(tc, a_key_that_others_can_read_is_noticed);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
