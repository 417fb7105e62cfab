/* What the compiler of the core may assume: an error in compiled Python is a bug, and bugs are rare.
   Without it gcc weighs the error path of every table access like the access itself. */
#pragma once
#include <stdint.h>

struct _object;
__attribute__((cold)) void CPy_AddTraceback(const char *, const char *, int, struct _object *);
__attribute__((cold)) void PyErr_SetNone(struct _object *);
__attribute__((cold, pure)) struct _object *PyErr_Occurred(void);
__attribute__((cold)) void _Py_Dealloc(struct _object *);

/* Whether a table of so many words has the 32 words that begin at a row's offset: see ROW_ROOM in
   layout.py. A second word of the same row then needs no test of its own. */
static inline __attribute__((always_inline)) char row_is_inside(int64_t row, int64_t words) {
    int64_t end = words < 32 ? 0 : words - 31;
    return (uint64_t)row < (uint64_t)end;
}
