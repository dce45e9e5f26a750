/* loop.c - `for batch in stage.batches()` and `async for batch in stage.abatches()`.
 *
 * What a block leaves well is acked: when the loop asks for the next batch, and at `break` and `return`. What an
 * exception leaves is returned, or released if nobody is to blame (verdict_of).
 *
 * How the iterator knows: a loop keeps its iterator on the frame's stack. When an exception leaves the loop, the stack
 * is emptied while the exception is set, so the iterator, if nobody else has it, is deallocated with PyErr_Occurred().
 * At `break` and `return` it is deallocated without one. If somebody else has it as well (it was given a name), its end
 * says nothing: then what is open counts as failed, unless the iterator is used in a `with` block, which is told.
 */
#include "core.h"

#define STAGES_MAX 64 /* what cvb_wait_records takes */

struct loop {
    PyObject_HEAD struct handle *handle;
    struct holding *current; /* the batch that the block has */
    PyObject *timeout;       /* seconds, or None */
    PyObject *next;          /* of an asynchronous one: the coroutine function that waits */
    Py_ssize_t size;         /* records in a batch */
    size_t count, turn;
    bool sole; /* nobody but the loop had the iterator when it gave the batch */
    uint32_t stages[STAGES_MAX];
};

/* (handle, stages, size, timeout) and, if asynchronous, the coroutine function */
static PyObject *new_loop(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    PyObject *handle, *stages, *timeout, *next = NULL;
    Py_ssize_t size;
    int64_t unused;
    (void)keywords;
    if (!PyArg_ParseTuple(args, "O!OnO|O", &handle_type, &handle, &stages, &size, &timeout, &next) ||
        !deadline_of(timeout, &unused))
        return NULL;
    if (size < 1)
        return PyErr_Format(PyExc_ValueError, "a batch has at least one record");
    struct loop *self = (struct loop *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->handle = (struct handle *)Py_NewRef(handle);
    self->timeout = Py_NewRef(timeout);
    self->next = Py_XNewRef(next);
    self->size = size;
    if (!handle_ids(stages, self->stages, STAGES_MAX, &self->count))
        Py_CLEAR(self);
    return (PyObject *)self;
}

static void dealloc(PyObject *object)
{
    struct loop *self = (struct loop *)object;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    struct holding *batch = self->current;
    if (batch && type)
        Py_DECREF(batch_end(batch, type, traceback));
    else if (batch && batch->open && !batch->verdict)
        batch_settle_later(batch, self->sole ? ACK : RETURN);
    Py_XDECREF(batch);
    Py_XDECREF(self->handle);
    Py_XDECREF(self->timeout);
    Py_XDECREF(self->next);
    Py_TYPE(object)->tp_free(object);
    PyErr_Restore(type, value, traceback);
}

/* The block was left well. */
static bool finish_block(struct loop *self)
{
    if (self->current && !batch_settle_all(self->current, ACK))
        return false;
    Py_CLEAR(self->current);
    return true;
}

/* A loop begins, and an earlier one was left in a way that nobody saw. */
static PyObject *begin(PyObject *object)
{
    struct loop *self = (struct loop *)object;
    if (self->current && self->current->open && !self->current->verdict)
        batch_settle_later(self->current, RETURN);
    Py_CLEAR(self->current);
    return Py_NewRef(object);
}

/* The next batch, of the stages in turn; NULL without an exception: there is none now. */
static PyObject *try_stages(struct loop *self)
{
    for (size_t i = 0; i < self->count; i++) {
        size_t at = (self->turn + i) % self->count;
        PyObject *batch = handle_ready(self->handle) ? batch_get(self->handle, self->stages[at], self->size) : NULL;
        if (!batch)
            return NULL;
        if (((struct holding *)batch)->count) {
            self->turn = at + 1;
            self->current = (struct holding *)Py_NewRef(batch);
            return batch;
        }
        Py_DECREF(batch);
    }
    return NULL;
}

static PyObject *next(PyObject *object)
{
    struct loop *self = (struct loop *)object;
    int64_t deadline_ns;
    self->sole = Py_REFCNT(object) == 1;
    if (!finish_block(self) || !deadline_of(self->timeout, &deadline_ns))
        return NULL;
    while (!self->handle->stopped) {
        PyObject *batch = try_stages(self);
        if (batch || PyErr_Occurred())
            return batch;
        int there = wait_records(self->handle, self->stages, self->count, deadline_ns);
        if (there == CVB_ETIMEDOUT)
            return NULL;
        if (there < 0 && !PyErr_ExceptionMatches(error_class(CVB_EINTERRUPTED)))
            return NULL;
        if (there < 0) {
            PyErr_Clear();
            return NULL; /* wake() and stop() end the loop */
        }
    }
    return NULL;
}

static PyObject *anext(PyObject *object)
{
    struct loop *self = (struct loop *)object;
    self->sole = Py_REFCNT(object) == 1;
    return finish_block(self) ? PyObject_CallOneArg(self->next, object) : NULL;
}

/* For the coroutine: a batch, or None. */
static PyObject *try_next(PyObject *object, PyObject *none)
{
    struct loop *self = (struct loop *)object;
    (void)none;
    if (self->handle->stopped) {
        PyErr_SetNone(PyExc_StopAsyncIteration);
        return NULL;
    }
    PyObject *batch = try_stages(self);
    return batch || PyErr_Occurred() ? batch : Py_NewRef(Py_None);
}

static PyObject *enter(PyObject *self, PyObject *none)
{
    (void)none;
    return Py_NewRef(self);
}

static PyObject *leave(PyObject *object, PyObject *args)
{
    struct loop *self = (struct loop *)object;
    PyObject *type, *value, *traceback;
    if (!PyArg_ParseTuple(args, "OOO", &type, &value, &traceback))
        return NULL;
    if (type != Py_None && self->current)
        Py_DECREF(batch_end(self->current, type, traceback));
    else if (!finish_block(self))
        return NULL;
    Py_CLEAR(self->current);
    Py_RETURN_FALSE;
}

static PyObject *timeout_of(PyObject *self, void *unused)
{
    (void)unused;
    return Py_NewRef(((struct loop *)self)->timeout);
}

static PyObject *stages_of(PyObject *object, void *unused)
{
    struct loop *self = (struct loop *)object;
    PyObject *ids = PyTuple_New((Py_ssize_t)self->count);
    (void)unused;
    for (size_t i = 0; ids && i < self->count; i++)
        PyTuple_SET_ITEM(ids, (Py_ssize_t)i, PyLong_FromUnsignedLong(self->stages[i]));
    return ids;
}

static PyMethodDef methods[] = {
    {"__enter__", enter, METH_NOARGS, NULL}, {"__exit__", leave, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static PyMethodDef async_methods[] = {{"__enter__", enter, METH_NOARGS, NULL},
                                      {"__exit__", leave, METH_VARARGS, NULL},
                                      {"try_next", try_next, METH_NOARGS, NULL},
                                      {NULL, NULL, 0, NULL}};
static PyGetSetDef attributes[] = {
    {"timeout", timeout_of, NULL, NULL, NULL}, {"stages", stages_of, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}};

PyTypeObject batches_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "conveyor._core.Batches",
                             .tp_basicsize = sizeof(struct loop),
                             .tp_flags = Py_TPFLAGS_DEFAULT,
                             .tp_new = new_loop,
                             .tp_dealloc = dealloc,
                             .tp_iter = begin,
                             .tp_iternext = next,
                             .tp_methods = methods,
                             .tp_getset = attributes};

static PyAsyncMethods async = {.am_aiter = begin, .am_anext = anext};

PyTypeObject abatches_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "conveyor._core.AsyncBatches",
                              .tp_basicsize = sizeof(struct loop),
                              .tp_flags = Py_TPFLAGS_DEFAULT,
                              .tp_new = new_loop,
                              .tp_dealloc = dealloc,
                              .tp_as_async = &async,
                              .tp_methods = async_methods,
                              .tp_getset = attributes};
