/*
 * jinja_limits.h - what a template may use, all of it in one list. Beyond any of these it is
 * refused with BNT_E_LIMIT and the line.
 *
 * docs/TEMPLATES.md shows the list in these words; tests/papers.sh holds the two together.
 */
#ifndef BNT_JINJA_LIMITS_H
#define BNT_JINJA_LIMITS_H

enum {
    /* of a rendering; struct bnt_jinja_limits may have others */
    JINJA_STEPS = 20000000, /* steps: what is evaluated, and bulk work on texts by its bytes */
    JINJA_MEMORY_MIB = 256, /* MiB of memory for all values and the text that comes out */
    JINJA_DEPTH = 600,      /* nested evaluations: macros that call themselves, values in values */
    JINJA_RANGE = 100000,   /* numbers of one `range` */
    JINJA_JSON_DEPTH = 100, /* levels of the JSON that a message brings (tools, calls) */
    /* of a program */
    JINJA_PROGRAM_MIB = 64, /* MiB of memory for the parsed template */
    JINJA_BLOCKS = 60,      /* statements inside of each other */
    JINJA_BRACKETS = 200,   /* brackets inside of each other */
    JINJA_EXPRESSION = 120, /* levels of an expression, as it is written */
    JINJA_LEVELS = 250,     /* levels of an expression or block, once parsed */
    JINJA_NAMES = 200,      /* parameters of a macro, or arguments with names of a call */
    JINJA_NUMBER = 60,      /* characters of a number with a fraction or an exponent */
};

#endif
