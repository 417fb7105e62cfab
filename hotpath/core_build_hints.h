/* What the compiler of the core may assume: an error in compiled Python is a bug, and bugs are rare.
   Without it gcc weighs the error path of every table access like the access itself. */
struct _object;
__attribute__((cold)) void CPy_AddTraceback(const char *, const char *, int, struct _object *);
__attribute__((cold)) void PyErr_SetNone(struct _object *);
