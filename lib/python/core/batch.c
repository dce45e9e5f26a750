/* batch.c - a Batch of leases and what becomes of it: acked, returned, released, forwarded; by hand, at the end of a
 * `with` block, or because nobody has it any more. */
#include "core.h"

/* What exceptions mean for the records at hand: nobody's fault (Ctrl-C, exit, a canceled task, stop()), or a failure.
 */
enum verdict verdict_of(PyObject *type)
{
    if (PyErr_GivenExceptionMatches(type, PyExc_Exception) &&
        !PyErr_GivenExceptionMatches(type, error_class(CVB_EINTERRUPTED)))
        return RETURN;
    return RELEASE;
}

static int settle(struct cvb_handle *cvb, enum verdict verdict, const struct cvb_lease *leases, size_t count)
{
    return verdict == ACK      ? cvb_ack(cvb, leases, count)
           : verdict == RETURN ? cvb_return_to_buffer(cvb, leases, count)
                               : cvb_release(cvb, leases, count);
}

static const char *name_of(enum verdict verdict)
{
    return verdict == ACK ? "ack" : verdict == RETURN ? "return" : "release";
}

/* The leases that are meant, one after the other: in their own array if that is so already. */
struct cvb_lease *batch_together(struct holding *batch, const Py_ssize_t *indices, Py_ssize_t count,
                                 struct cvb_lease **made)
{
    Py_ssize_t n = 0;
    *made = NULL;
    while (n < count && indices[n] == indices[0] + n)
        n++;
    if (n == count)
        return batch->leases + (count ? indices[0] : 0);
    *made = PyMem_New(struct cvb_lease, count);
    for (Py_ssize_t i = 0; *made && i < count; i++)
        (*made)[i] = batch->leases[indices[i]];
    return *made ? *made : (struct cvb_lease *)PyErr_NoMemory();
}

/* delay_ms: after which returned ones come again; negative: as the verdict says. */
static PyObject *settle_chosen(struct holding *batch, enum verdict verdict, int64_t delay_ms, PyObject *chosen)
{
    Py_ssize_t count;
    Py_ssize_t *indices = holding_choose(batch, &lease_type, chosen, &count);
    if (!indices)
        return NULL;
    struct cvb_lease *made, *leases = batch_together(batch, indices, count, &made);
    struct cvb_handle *cvb = batch->handle->cvb;
    int error = !leases || !count ? 0
                : delay_ms < 0    ? settle(cvb, verdict, leases, (size_t)count)
                                  : cvb_return_after(cvb, leases, (size_t)count, (uint32_t)delay_ms);
    for (Py_ssize_t i = 0; leases && !error && i < count; i++)
        holding_settled(batch, indices[i]);
    PyMem_Free(made);
    PyMem_Free(indices);
    if (!leases)
        return NULL;
    return error ? raise_error(batch->handle, name_of(verdict), error) : PyLong_FromSsize_t(count);
}

/* Settles all that are open. False: an exception is set, nothing is settled. */
bool batch_settle_all(struct holding *batch, enum verdict verdict)
{
    PyObject *done = batch->open ? settle_chosen(batch, verdict, -1, NULL) : Py_NewRef(Py_None);
    Py_XDECREF(done);
    return done;
}

/* Puts the open leases in front, for one call that settles them, at the batch's own end. */
static size_t gather_open(struct holding *batch)
{
    size_t n = 0;
    for (Py_ssize_t i = 0; i < batch->count; i++)
        if (!batch->views[i].settled)
            batch->leases[n++] = batch->leases[i];
    return n;
}

static bool keep_for_later(struct holding *batch, size_t count)
{
    struct later *l = PyMem_Malloc(sizeof *l + count * sizeof *l->leases);
    if (!l)
        return false; /* they stay leased until the handle is closed */
    *l = (struct later){.next = batch->handle->later, .verdict = batch->verdict, .count = count};
    memcpy(l->leases, batch->leases, count * sizeof *l->leases);
    batch->handle->later = l;
    return true;
}

/* Decides now what is done as soon as no slice shows the records: at once if there is none. */
void batch_settle_later(struct holding *batch, enum verdict verdict)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (!handle_idle(batch->handle) || !batch_settle_all(batch, verdict)) {
        PyErr_Clear();
        batch->verdict = verdict;
    }
    PyErr_Restore(type, value, traceback);
}

void batch_sweep(struct handle *handle)
{
    for (struct later *l; (l = handle->later); PyMem_Free(l)) {
        handle->later = l->next;
        settle(handle->cvb, l->verdict, l->leases, l->count);
    }
}

/* The last slice of a decided batch may be gone. Called when a buffer is released, so it sets no exception. */
void batch_decided(struct holding *batch)
{
    for (Py_ssize_t i = 0; i < batch->count; i++)
        if (batch->views[i].exports)
            return;
    if (!batch->open || !handle_idle(batch->handle))
        return;
    settle(batch->handle->cvb, batch->verdict, batch->leases, gather_open(batch));
    for (Py_ssize_t i = 0; i < batch->count; i++)
        batch->views[i].settled = true;
    batch->open = 0;
}

/* Nobody has it any more, so nobody has a view of it. What was neither acked nor decided counts as a failure: who
 * drops a batch that he cannot work on would otherwise get it again without end. */
static void dealloc(PyObject *self)
{
    struct holding *batch = (struct holding *)self;
    size_t open = batch->open && batch->handle->cvb && !batch->handle->forked ? gather_open(batch) : 0;
    batch->verdict = batch->verdict ? batch->verdict : RETURN;
    if (open && handle_idle(batch->handle))
        settle(batch->handle->cvb, batch->verdict, batch->leases, open);
    else if (open)
        keep_for_later(batch, open);
    holding_drop(batch);
}

PyObject *batch_get(struct handle *handle, uint32_t stage, Py_ssize_t count)
{
    if (count < 1) {
        PyErr_SetString(PyExc_ValueError, "a batch has at least one record");
        return NULL;
    }
    struct holding *batch = holding_new(&batch_type, handle, count, sizeof(struct cvb_lease));
    if (!batch)
        return NULL;
    int n = cvb_get_batch(handle->cvb, stage, batch->leases, (size_t)count);
    if (n < 0) {
        raise_error(handle, "get", n);
        Py_DECREF(batch);
        return NULL;
    }
    batch->count = batch->open = n;
    return (PyObject *)batch;
}

/* The end of a `with` block, or of a loop's block, that an exception has left. */
PyObject *batch_end(struct holding *batch, PyObject *type, PyObject *traceback)
{
    enum verdict verdict = verdict_of(type);
    if (batch->open && !batch->verdict && batch->handle->cvb && !batch->handle->forked) {
        Py_ssize_t open = batch->open;
        uint32_t stage = batch->leases[0].stage;
        batch_settle_later(batch, verdict);
        log_settled(batch->handle, verdict, open, stage, type, traceback);
    }
    Py_RETURN_FALSE;
}

static PyObject *enter(PyObject *self, PyObject *none)
{
    (void)none;
    return Py_NewRef(self);
}

static PyObject *leave(PyObject *self, PyObject *args)
{
    PyObject *type, *value, *traceback;
    if (!PyArg_ParseTuple(args, "OOO", &type, &value, &traceback))
        return NULL;
    if (type != Py_None)
        return batch_end((struct holding *)self, type, traceback);
    if (!batch_settle_all((struct holding *)self, ACK))
        return NULL;
    Py_RETURN_FALSE;
}

static PyObject *settle_method(PyObject *self, PyObject *args, enum verdict verdict)
{
    PyObject *chosen = NULL;
    if (!PyArg_ParseTuple(args, "|O", &chosen))
        return NULL;
    return settle_chosen((struct holding *)self, verdict, -1, chosen);
}

static PyObject *ack(PyObject *self, PyObject *args) { return settle_method(self, args, ACK); }
static PyObject *return_(PyObject *self, PyObject *args) { return settle_method(self, args, RETURN); }
static PyObject *release(PyObject *self, PyObject *args) { return settle_method(self, args, RELEASE); }

/* (seconds, leases or None) */
PyObject *batch_return_after(PyObject *self, PyObject *args)
{
    PyObject *chosen = NULL;
    double seconds;
    if (!PyArg_ParseTuple(args, "d|O", &seconds, &chosen))
        return NULL;
    if (!(seconds >= 0 && seconds <= UINT32_MAX / 1000))
        return PyErr_Format(PyExc_ValueError, "a delay is 0 to %u seconds", UINT32_MAX / 1000);
    return settle_chosen((struct holding *)self, RETURN, (int64_t)(seconds * 1000 + 0.5), chosen);
}

static PyObject *open_records(PyObject *self, PyObject *none)
{
    struct holding *batch = (struct holding *)self;
    PyObject *list = PyList_New(0);
    (void)none;
    for (Py_ssize_t i = 0; list && i < batch->count; i++) {
        if (batch->views[i].settled || batch->verdict)
            continue;
        PyObject *item = holding_item(self, i);
        if (!item || PyList_Append(list, item))
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *view(void *batch, Py_ssize_t index) { return holding_view(batch, index); }

static PyObject *payloads(PyObject *self, PyObject *none)
{
    (void)none;
    return list_of(((struct holding *)self)->count, view, self);
}

static PyObject *copy(void *of, Py_ssize_t index)
{
    const struct holding *batch = of;
    if (!holding_open(batch, index))
        return NULL;
    return PyBytes_FromStringAndSize(batch->leases[index].payload, batch->leases[index].length);
}

static PyObject *copies(PyObject *self, PyObject *none)
{
    (void)none;
    return list_of(((struct holding *)self)->count, copy, self);
}

static Py_ssize_t length(PyObject *self) { return ((struct holding *)self)->count; }

PyMethodDef batch_methods[] = {
    {"ack", ack, METH_VARARGS, NULL},
    {"return_", return_, METH_VARARGS, NULL},
    {"return_after", batch_return_after, METH_VARARGS, NULL},
    {"release", release, METH_VARARGS, NULL},
    {"forward", (PyCFunction)(void (*)(void))batch_forward, METH_VARARGS | METH_KEYWORDS, NULL},
    {"open", open_records, METH_NOARGS, NULL},
    {"payloads", payloads, METH_NOARGS, NULL},
    {"copies", copies, METH_NOARGS, NULL},
    {"__enter__", enter, METH_NOARGS, NULL},
    {"__exit__", leave, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL}};
static PySequenceMethods sequence = {.sq_length = length, .sq_item = holding_item};

PyTypeObject batch_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "conveyor._core.Batch",
                           .tp_basicsize = sizeof(struct holding),
                           .tp_itemsize = sizeof(struct view) + sizeof(struct cvb_lease),
                           .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                           .tp_dealloc = dealloc,
                           .tp_methods = batch_methods,
                           .tp_as_sequence = &sequence,
                           .tp_as_buffer = &holding_buffer};
