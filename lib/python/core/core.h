/* core.h - the extension module conveyor._core: what its files share.
 *
 * The objects: a Handle is a seat in a segment. A Batch holds leases and a Reservation slots: both are a "holding", the
 * exporter of the memoryviews into the segment. A Batches is the iterator behind `for batch in stage.batches()`.
 *
 * Views: a holding counts for each of its records how many buffers are exported. Who settles a record releases the
 * memoryview that it handed out, so that its next use raises. If a slice of it, or an array over it, is still there,
 * nothing can take that away: then settling raises BufferError and settles nothing, as closing a mmap does.
 *
 * Threads: all is done under the interpreter's lock, but for calls that sleep or take long. While one of those runs,
 * the handle is busy, and a second thread gets BusyError: a handle is used by one thread at a time.
 */
#ifndef CONVEYOR_PYTHON_CORE_H
#define CONVEYOR_PYTHON_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <conveyor/buffer.h>
#include <stdbool.h>

enum { STAGES, SOURCES, PIPELINES, KINDS };

/* What becomes of leases when nobody settles them by hand. */
enum verdict { UNDECIDED, ACK, RETURN, RELEASE };

struct holding;

/* Leases of a batch that was dropped while another thread slept with the handle: settled by the next call. */
struct later {
    struct later *next;
    enum verdict verdict;
    size_t count;
    struct cvb_lease leases[];
};

struct handle {
    PyObject_HEAD struct cvb_handle *cvb; /* NULL: closed */
    PyObject *name;                       /* of the segment */
    PyObject *names[KINDS];               /* id: name */
    struct holding *held;                 /* all that live; no references */
    struct later *later;
    struct handle *next, **at; /* among all handles of the process */
    bool busy, forked, woken, stopped;
};

struct view {
    PyObject *weak; /* reference to the memoryview that was handed out last, or NULL */
    Py_ssize_t exports;
    bool settled, chosen;
};

/* A Batch or a Reservation. ob_size is how many records it has room for. */
struct holding {
    PyObject_VAR_HEAD struct handle *handle;
    struct holding *next, **at; /* of the same handle */
    Py_ssize_t count, open;     /* records; those not settled */
    Py_ssize_t exporting;       /* whose memoryview is being made, or -1 */
    uint32_t longest;           /* of a slot: what was asked for */
    uint32_t longest_header;
    enum verdict verdict; /* for what is still open when it goes away */
    struct view *views;
    struct cvb_lease *leases; /* one of the two */
    struct cvb_slot *slots;
};

extern PyTypeObject handle_type, batch_type, lease_type, reservation_type, slot_type, batches_type, abatches_type,
    notifier_type;

/* module.c: errors, and lists */
PyObject *raise_error(struct handle *handle, const char *what, int error); /* returns NULL */
void raise_closed(struct handle *handle);
PyObject *error_class(int error); /* borrowed */
/* A list of what `one` makes of each of the `count` things; NULL, and an exception is set, if it makes NULL of one. */
PyObject *list_of(Py_ssize_t count, PyObject *(*one)(void *of, Py_ssize_t index), void *of);
void log_settled(struct handle *handle, enum verdict verdict, Py_ssize_t count, uint32_t stage, PyObject *type,
                 PyObject *traceback);

/* handle.c */
bool handle_ready(struct handle *handle); /* false: an exception is set */
bool handle_idle(struct handle *handle);  /* true if it may be called now; sets no exception */
bool handle_settings(struct handle *handle, const char *what, struct cvb_settings *settings); /* false: an exception */
PyObject *handle_name(struct handle *handle, int kind, uint32_t id);
void handle_after_fork(void);
bool handle_stage(struct handle *handle, PyObject *stage, uint32_t *id); /* a name, an id, or what has an id */
bool handle_ids(PyObject *sequence, uint32_t *ids, size_t room, size_t *count);

/* wait.c: seconds from Python (None: for ever) as a point of time; waits that signals and wake() end. */
bool deadline_of(PyObject *seconds, int64_t *deadline_ns);
int wait_records(struct handle *handle, const uint32_t *stages, size_t count, int64_t deadline_ns); /* -1: exception */
int wait_credits(struct handle *handle, uint32_t stage, uint32_t source, int64_t deadline_ns);
extern PyMethodDef wait_methods[];
bool raise_if_stopped(struct handle *handle, const char *what); /* true: an exception is set */

/* holding.c */
struct holding *holding_new(PyTypeObject *type, struct handle *handle, Py_ssize_t room, size_t item);
void holding_drop(struct holding *held);
PyObject *holding_view(struct holding *held, Py_ssize_t index);
bool holding_open(const struct holding *held, Py_ssize_t index); /* false: an exception is set */
bool holding_close_views(struct holding *held, Py_ssize_t index);
void holding_settled(struct holding *held, Py_ssize_t index);
void holding_cut_views(struct holding *held);
Py_ssize_t *holding_choose(struct holding *held, PyTypeObject *item, PyObject *chosen, Py_ssize_t *count);
extern PyBufferProcs holding_buffer;

/* batch.c */
PyObject *batch_get(struct handle *handle, uint32_t stage, Py_ssize_t count);
bool batch_settle_all(struct holding *batch, enum verdict verdict);
void batch_settle_later(struct holding *batch, enum verdict verdict);
void batch_sweep(struct handle *handle);
enum verdict verdict_of(PyObject *exception_type);
PyObject *batch_end(struct holding *batch, PyObject *type, PyObject *traceback);
void batch_decided(struct holding *batch);
struct cvb_lease *batch_together(struct holding *batch, const Py_ssize_t *indices, Py_ssize_t count,
                                 struct cvb_lease **made);
PyObject *batch_return_after(PyObject *batch, PyObject *args);
extern PyMethodDef batch_methods[];

/* put.c: forward waits for room, as put does. */
PyObject *batch_forward(PyObject *self, PyObject *args, PyObject *keywords);

/* An element of a holding: a Lease or a Slot. */
struct item {
    PyObject_HEAD struct holding *held;
    Py_ssize_t index;
};
PyObject *item_new(PyTypeObject *type, struct holding *held, Py_ssize_t index);
void item_dealloc(PyObject *self);
PyObject *holding_item(PyObject *self, Py_ssize_t index);

/* put.c, state.c, control.c: more methods of the handle */
extern PyMethodDef put_methods[], state_methods[], control_methods[];
PyObject *make_segment(PyObject *module, PyObject *args);
PyObject *memory_needed(PyObject *module, PyObject *settings);
PyObject *default_settings(PyObject *module, PyObject *none);
PyObject *list_segments(PyObject *module, PyObject *none);

#endif
