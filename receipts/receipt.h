/*
 * receipt.h - receipts: what a run computed, and under which circumstances, as checkable JSON.
 *
 * A receipt is one object. `result` says what was computed and has the same bytes on every machine,
 * backend and thread count; `circumstance` says where and how. Each is sealed by the SHA-256 of its
 * canonical form (canon.c), and each field in them by the first 16 digits of its own, so that what
 * was edited afterwards can be named. It may be signed (sign.h); docs/RECEIPTS.md says what all
 * that proves. Every fact is read from the engine, the session or the machine; none is declared.
 *
 * For other rooms; within this one write.h and read.h rest on facts.h, and verify.h on read.h.
 */
#ifndef BNT_RECEIPT_H
#define BNT_RECEIPT_H

#include "read.h"
#include "write.h"

#endif
