/*
 * format.c - the formats of strings that are known, each as a pattern (pattern.h).
 *
 * Days are those that the month has, in the leap years that have a 29th of February. Of dates and
 * times what every reader takes is written: no year 0, no leap second, T and Z, nine digits of a
 * fraction at most. Addresses of mail are a dot-atom and a domain of at least two labels: quoted
 * names and literal addresses are not made, nor are names of hosts of more than four labels. Those
 * of the second third are zod's, which no draft of JSON Schema knows; zod writes its pattern beside
 * the name, and both hold. The last are OpenAPI's and those that generators of many languages write
 * for their numbers.
 */
#include <string.h>

#include "schema.h"

#define YEAR "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
#define LEAP "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
#define DATE_OF(year, leap)                                                                        \
    "(?:" year "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|"                                \
    "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|" leap "-02-29)"
#define DATE DATE_OF(YEAR, LEAP)
#define ZONE "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
#define TIME "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?" ZONE
#define ANY_DATE DATE_OF("[0-9]{4}", "(?:" LEAP "|0000)")
/* What some reader takes for one: a leap second at any hour, as other hours are UTC's last, and a
 * zone of hours alone or without a colon. Between it and the date there may be a space. */
#define ANY_TIME                                                                                   \
    "[0-2][0-9]:[0-5][0-9]:(?:[0-5][0-9]|60)(?:\\.[0-9]+)?(?:[Zz]|[+-][0-2][0-9](?::?[0-5][0-9])?" \
    ")"
#define ATOM "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}"
#define LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define LAST_LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,59}[A-Za-z0-9])?" /* 253 characters in all */
#define HEX "[0-9A-Fa-f]"
#define OCTET "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define IPV4 OCTET "(?:\\." OCTET "){3}"
#define H16 HEX "{1,4}"
#define LS32 "(?:" H16 ":" H16 "|" IPV4 ")"
#define IPV6                                                                                       \
    "(?:(?:" H16 ":){6}" LS32 "|::(?:" H16 ":){5}" LS32 "|(?:" H16 ")?::(?:" H16 ":){4}" LS32      \
    "|(?:(?:" H16 ":){0,1}" H16 ")?::(?:" H16 ":){3}" LS32 "|(?:(?:" H16 ":){0,2}" H16             \
    ")?::(?:" H16 ":){2}" LS32 "|(?:(?:" H16 ":){0,3}" H16 ")?::" H16 ":" LS32 "|(?:(?:" H16       \
    ":){0,4}" H16 ")?::" LS32 "|(?:(?:" H16 ":){0,5}" H16 ")?::" H16 "|(?:(?:" H16 ":){0,6}" H16   \
    ")?::)"

/* RFC 3986; of a host's names those without escapes and signs that no name has. */
#define ESCAPED "%" HEX "{2}"
#define PCHAR "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|" ESCAPED ")"
#define USER "(?:[A-Za-z0-9._~!$&'()*+,;=:-]|" ESCAPED ")*@"
#define PORT                                                                                       \
    "(?:6(?:[0-4][0-9]{3}|5(?:[0-4][0-9]{2}|5(?:[0-2][0-9]|3[0-5])))|[1-5][0-9]{4}|[0-9]{1,4})"
#define AUTHORITY "(?:" USER ")?(?:\\[" IPV6 "\\]|[A-Za-z0-9._~-]+)(?::" PORT ")?"
#define PATH "(?:/" PCHAR "*)*"
#define URI                                                                                        \
    "[A-Za-z][A-Za-z0-9+.-]*:(?://(?:" AUTHORITY ")?" PATH "|/?" PCHAR "+" PATH "|/)"              \
    "(?:\\?(?:" PCHAR "|[/?])*)?(?:#(?:" PCHAR "|[/?])*)?"
/* RFC 3339, appendix A. */
#define N "[0-9]{1,9}"
#define LONG(a, b, c) "(?:" N a "(?:" N b "(?:" N c ")?)?|" N b "(?:" N c ")?|" N c ")"
#define SPAN LONG("H", "M", "S")
#define DURATION "P(?:" N "W|" LONG("Y", "M", "D") "(?:T" SPAN ")?|T" SPAN ")"

/* RFC 9562, of one version. */
#define UUID(version) "^" HEX "{8}-" HEX "{4}-" version HEX "{3}-[89ABab]" HEX "{3}-" HEX "{12}$"

#define BASE64 "[0-9A-Za-z+/]"
#define BASE64_TEXT "^(?:" BASE64 "{4})*(?:" BASE64 "{2}==|" BASE64 "{3}=)?$"
#define WORD "[0-9A-Za-z_-]"
/* Of a string that is to hold a number: so many digits are in the range of each, and none is below
 * 0 of uint. */
#define DIGITS(more) "^(?:0|[1-9][0-9]{0," more "})$"
#define DECIMAL "^-?(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?$"

static const struct bnt_format formats[] = {
    {"date", "^" DATE "$", "^" ANY_DATE "$", NULL, NULL},
    {"time", "^" TIME "$", "^" ANY_TIME "$", NULL, NULL},
    {"date-time", "^" DATE "T" TIME "$", "^" ANY_DATE "[Tt\\s]" ANY_TIME "$", NULL, NULL},
    {"uuid", "^" HEX "{8}-" HEX "{4}-" HEX "{4}-" HEX "{4}-" HEX "{12}$", NULL, NULL, NULL},
    {"email", "^" ATOM "(?:\\." ATOM "){0,2}@(?:" LABEL "\\.){1,3}" LABEL "$", NULL, NULL, NULL},
    {"ipv4", "^" IPV4 "$", "^" IPV4 "$", NULL, NULL},
    {"ipv6", "^" IPV6 "$", "^" IPV6 "$", NULL, NULL},
    {"hostname", "^" LABEL "(?:\\." LABEL "){0,2}(?:\\." LAST_LABEL ")?$", NULL, NULL, NULL},
    {"uri", "^" URI "$", NULL, NULL, NULL},
    {"duration", "^" DURATION "$", NULL, NULL, NULL},
    {"base64", BASE64_TEXT, NULL, NULL, NULL},
    {"base64url", "^(?:" WORD "{4})*(?:" WORD "{2,3})?$", NULL, NULL, NULL},
    {"cidrv4", "^" IPV4 "/(?:3[0-2]|[12]?[0-9])$", NULL, NULL, NULL},
    {"cidrv6", "^" IPV6 "/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9])$", NULL, NULL, NULL},
    {"cuid", "^[Cc][0-9a-z]{6,}$", NULL, NULL, NULL},
    {"cuid2", "^[0-9a-z]+$", NULL, NULL, NULL},
    {"e164", "^\\+[1-9][0-9]{6,14}$", NULL, NULL, NULL},
    {"hex", "^" HEX "*$", NULL, NULL, NULL},
    {"ksuid", "^[0-9A-Za-z]{27}$", NULL, NULL, NULL},
    {"mac", "^(?:(?:[0-9A-F]{2}:){5}[0-9A-F]{2}|(?:[0-9a-f]{2}:){5}[0-9a-f]{2})$", NULL, NULL,
     NULL},
    {"nanoid", "^" WORD "{21}$", NULL, NULL, NULL},
    {"ulid", "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$", NULL, NULL, NULL},
    {"xid", "^[0-9a-vA-V]{20}$", NULL, NULL, NULL},
    {"lowercase", "^[^A-Z]*$", NULL, NULL, NULL},
    {"uppercase", "^[^a-z]*$", NULL, NULL, NULL},
    {"includes", "", NULL, NULL, NULL}, /* these say something by the pattern beside them */
    {"starts_with", "", NULL, NULL, NULL},
    {"ends_with", "", NULL, NULL, NULL},
    {"uuid1", UUID("1"), NULL, NULL, NULL},
    {"uuid3", UUID("3"), NULL, NULL, NULL},
    {"uuid4", UUID("4"), NULL, NULL, NULL},
    {"uuid5", UUID("5"), NULL, NULL, NULL},
    {"uuid6", UUID("6"), NULL, NULL, NULL},
    {"uuid7", UUID("7"), NULL, NULL, NULL},
    {"uuid8", UUID("8"), NULL, NULL, NULL},
    {"byte", BASE64_TEXT, NULL, NULL, NULL},
    {"binary", "", NULL, NULL, NULL},
    {"path", "", NULL, NULL, NULL},
    {"file-path", "", NULL, NULL, NULL},
    {"directory-path", "", NULL, NULL, NULL},
    {"ipvanyaddress", "^(?:" IPV4 "|" IPV6 ")$", NULL, NULL, NULL},
    {"password", "", NULL, NULL, NULL},
    {"float", DECIMAL, NULL, NULL, NULL},
    {"double", DECIMAL, NULL, NULL, NULL},
    {"int8", DIGITS("1"), NULL, "-128", "127"},
    {"uint8", DIGITS("1"), NULL, "0", "255"},
    {"int16", DIGITS("3"), NULL, "-32768", "32767"},
    {"uint16", DIGITS("3"), NULL, "0", "65535"},
    {"int32", DIGITS("8"), NULL, "-2147483648", "2147483647"},
    {"uint32", DIGITS("8"), NULL, "0", "4294967295"},
    {"int64", DIGITS("17"), NULL, "-9223372036854775808", "9223372036854775807"},
    {"uint64", DIGITS("17"), NULL, "0", "18446744073709549568.0"},
    {"int", DIGITS("17"), NULL, "-9223372036854775808", "9223372036854775807"},
    {"uint", DIGITS("17"), NULL, "0", "18446744073709549568.0"},
};

const struct bnt_format *bnt_format(const char *name) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, name) == 0) return &formats[i];
    return NULL;
}
