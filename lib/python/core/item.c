/* item.c - the elements: a Lease of a Batch, a Slot of a Reservation; and the Reservation itself. */
#include "core.h"

static struct cvb_lease *lease_of(PyObject *self)
{
    struct item *item = (struct item *)self;
    return &item->held->leases[item->index];
}

static PyObject *payload(PyObject *self, void *unused)
{
    (void)unused;
    return holding_view(((struct item *)self)->held, ((struct item *)self)->index);
}

static PyObject *name_of_lease(PyObject *self, void *kind)
{
    const struct cvb_lease *l = lease_of(self);
    switch ((intptr_t)kind) {
    case 0:
        return handle_name(((struct item *)self)->held->handle, STAGES, l->stage);
    case 1:
        return handle_name(((struct item *)self)->held->handle, SOURCES, l->source);
    case 2:
        return handle_name(((struct item *)self)->held->handle, PIPELINES, l->pipeline);
    default:
        return handle_name(((struct item *)self)->held->handle, STAGES, l->origin);
    }
}

static PyObject *retry_count(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLong(lease_of(self)->retry_count);
}

static PyObject *buffered_at_ns(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(lease_of(self)->buffered_at_ns);
}

/* A copy: it is short, and may be looked at when the record is settled. */
static PyObject *header(PyObject *self, void *unused)
{
    struct item *item = (struct item *)self;
    (void)unused;
    if (!holding_open(item->held, item->index))
        return NULL;
    return PyBytes_FromStringAndSize(lease_of(self)->header, lease_of(self)->header_length);
}

static PyObject *position(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(lease_of(self)->position);
}

static PyObject *is_settled(PyObject *self, void *unused)
{
    struct item *item = (struct item *)self;
    (void)unused;
    return PyBool_FromLong(item->held->views[item->index].settled || item->held->verdict);
}

static Py_ssize_t lease_length(PyObject *self) { return lease_of(self)->length; }

static PyObject *to_bytes(PyObject *self, PyObject *none)
{
    struct item *item = (struct item *)self;
    (void)none;
    if (!holding_open(item->held, item->index))
        return NULL;
    return PyBytes_FromStringAndSize(lease_of(self)->payload, lease_of(self)->length);
}

/* A settling of one record is that of its batch with a list of one. */
static PyObject *through_batch(PyObject *self, const char *method)
{
    return PyObject_CallMethod((PyObject *)((struct item *)self)->held, method, "((O))", self);
}

static PyObject *ack(PyObject *self, PyObject *none)
{
    (void)none;
    return through_batch(self, "ack");
}

static PyObject *return_(PyObject *self, PyObject *none)
{
    (void)none;
    return through_batch(self, "return_");
}

static PyObject *return_after(PyObject *self, PyObject *seconds)
{
    PyObject *arguments = Py_BuildValue("(O(O))", seconds, self);
    PyObject *done = arguments ? batch_return_after((PyObject *)((struct item *)self)->held, arguments) : NULL;
    Py_XDECREF(arguments);
    return done;
}

static PyObject *release(PyObject *self, PyObject *none)
{
    (void)none;
    return through_batch(self, "release");
}

static PyObject *forward(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"stage", "payload", "timeout", "header", NULL};
    PyObject *stage, *result = Py_None, *seconds = Py_None, *header = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|O$OO", names, &stage, &result, &seconds, &header))
        return NULL;
    PyObject *arguments = result == Py_None ? Py_BuildValue("(OO(O))", stage, Py_None, self)
                                            : Py_BuildValue("(O(O)(O))", stage, result, self);
    PyObject *named = !arguments          ? NULL
                      : header == Py_None ? Py_BuildValue("{sO}", "timeout", seconds)
                                          : Py_BuildValue("{sOs(O)}", "timeout", seconds, "headers", header);
    PyObject *sent = named ? batch_forward((PyObject *)((struct item *)self)->held, arguments, named) : NULL;
    Py_XDECREF(arguments);
    Py_XDECREF(named);
    return sent;
}

static PyMethodDef lease_methods[] = {
    {"ack", ack, METH_NOARGS, NULL},
    {"return_", return_, METH_NOARGS, NULL},
    {"return_after", return_after, METH_O, NULL},
    {"release", release, METH_NOARGS, NULL},
    {"forward", (PyCFunction)(void (*)(void))forward, METH_VARARGS | METH_KEYWORDS, NULL},
    {"__bytes__", to_bytes, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL}};
static PyGetSetDef lease_attributes[] = {{"payload", payload, NULL, NULL, NULL},
                                         {"stage", name_of_lease, NULL, NULL, (void *)0},
                                         {"source", name_of_lease, NULL, NULL, (void *)1},
                                         {"pipeline", name_of_lease, NULL, NULL, (void *)2},
                                         {"origin", name_of_lease, NULL, NULL, (void *)3},
                                         {"retry_count", retry_count, NULL, NULL, NULL},
                                         {"buffered_at_ns", buffered_at_ns, NULL, NULL, NULL},
                                         {"header", header, NULL, NULL, NULL},
                                         {"position", position, NULL, NULL, NULL},
                                         {"settled", is_settled, NULL, NULL, NULL},
                                         {NULL, NULL, NULL, NULL, NULL}};
static PySequenceMethods lease_sequence = {.sq_length = lease_length};

PyTypeObject lease_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "conveyor._core.Lease",
                           .tp_basicsize = sizeof(struct item),
                           .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                           .tp_dealloc = item_dealloc,
                           .tp_methods = lease_methods,
                           .tp_getset = lease_attributes,
                           .tp_as_sequence = &lease_sequence};

static PyObject *slot_length(PyObject *self, void *unused)
{
    struct item *item = (struct item *)self;
    (void)unused;
    return PyLong_FromUnsignedLong(item->held->slots[item->index].length);
}

static int set_slot_length(PyObject *self, PyObject *value, void *unused)
{
    struct item *item = (struct item *)self;
    (void)unused;
    unsigned long length = value ? PyLong_AsUnsignedLong(value) : (unsigned long)-1;
    if (!PyErr_Occurred() && length > item->held->longest)
        PyErr_Format(PyExc_ValueError, "the length of a slot is 0 to %u, what was reserved", item->held->longest);
    if (PyErr_Occurred())
        return -1;
    item->held->slots[item->index].length = (uint32_t)length;
    return 0;
}

/* The slot, if it is not published or canceled yet; else an exception is set. */
static struct cvb_slot *open_slot(PyObject *self, PyObject *value)
{
    struct item *item = (struct item *)self;
    if (!value)
        PyErr_SetString(PyExc_AttributeError, "what a slot has cannot be deleted");
    return value && holding_open(item->held, item->index) ? &item->held->slots[item->index] : NULL;
}

/* Bytes of the header that are valid: none before it is written. */
static PyObject *slot_header(PyObject *self, void *unused)
{
    struct item *item = (struct item *)self;
    (void)unused;
    if (!holding_open(item->held, item->index))
        return NULL;
    const struct cvb_slot *slot = &item->held->slots[item->index];
    return PyBytes_FromStringAndSize(slot->header, slot->header_length);
}

static int set_slot_header(PyObject *self, PyObject *value, void *unused)
{
    struct cvb_slot *slot = open_slot(self, value);
    uint32_t longest = ((struct item *)self)->held->longest_header;
    char *bytes;
    Py_ssize_t length;
    (void)unused;
    if (!slot || PyBytes_AsStringAndSize(value, &bytes, &length))
        return -1;
    if (length > longest) {
        PyErr_Format(PyExc_ValueError, "the header of a slot has 0 to %u bytes, what was reserved", longest);
        return -1;
    }
    if (length)
        memcpy(slot->header, bytes, (size_t)length);
    slot->header_length = (uint32_t)length;
    return 0;
}

static PyObject *slot_position(PyObject *self, void *unused)
{
    struct item *item = (struct item *)self;
    (void)unused;
    return PyLong_FromUnsignedLongLong(item->held->slots[item->index].position);
}

static int set_slot_position(PyObject *self, PyObject *value, void *unused)
{
    struct cvb_slot *slot = open_slot(self, value);
    (void)unused;
    uint64_t position = slot ? PyLong_AsUnsignedLongLong(value) : 0;
    if (PyErr_Occurred())
        return -1;
    slot->position = position;
    return 0;
}

static PyGetSetDef slot_attributes[] = {{"payload", payload, NULL, NULL, NULL},
                                        {"length", slot_length, set_slot_length, NULL, NULL},
                                        {"header", slot_header, set_slot_header, NULL, NULL},
                                        {"position", slot_position, set_slot_position, NULL, NULL},
                                        {NULL, NULL, NULL, NULL, NULL}};

PyTypeObject slot_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "conveyor._core.Slot",
                          .tp_basicsize = sizeof(struct item),
                          .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                          .tp_dealloc = item_dealloc, .tp_getset = slot_attributes};

typedef int (*ending)(struct cvb_handle *, const struct cvb_slot *, size_t);

static PyObject *end_slots(struct holding *r, PyObject *chosen, const char *what, ending end)
{
    Py_ssize_t count;
    Py_ssize_t *indices = holding_choose(r, &slot_type, chosen, &count);
    struct cvb_slot *slots = indices ? PyMem_New(struct cvb_slot, count + 1) : NULL;
    for (Py_ssize_t i = 0; slots && i < count; i++)
        slots[i] = r->slots[indices[i]];
    int error = slots && count ? end(r->handle->cvb, slots, (size_t)count) : 0;
    for (Py_ssize_t i = 0; slots && !error && i < count; i++)
        holding_settled(r, indices[i]);
    PyMem_Free(indices);
    PyMem_Free(slots);
    if (error)
        return raise_error(r->handle, what, error);
    return slots ? PyLong_FromSsize_t(count) : NULL;
}

static PyObject *publish(PyObject *self, PyObject *args)
{
    PyObject *chosen = NULL;
    return PyArg_ParseTuple(args, "|O", &chosen) ? end_slots((struct holding *)self, chosen, "publish", cvb_publish)
                                                 : NULL;
}

static PyObject *cancel(PyObject *self, PyObject *args)
{
    PyObject *chosen = NULL;
    return PyArg_ParseTuple(args, "|O", &chosen) ? end_slots((struct holding *)self, chosen, "cancel", cvb_cancel)
                                                 : NULL;
}

static PyObject *enter(PyObject *self, PyObject *none)
{
    (void)none;
    return Py_NewRef(self);
}

/* After an exception slots with slices are canceled when the last slice and the reservation are gone. */
static PyObject *leave(PyObject *self, PyObject *args)
{
    PyObject *type, *value, *traceback;
    struct holding *r = (struct holding *)self;
    if (!PyArg_ParseTuple(args, "OOO", &type, &value, &traceback))
        return NULL;
    PyObject *done = end_slots(r, NULL, "leave", type == Py_None ? cvb_publish : cvb_cancel);
    if (!done && type == Py_None)
        return NULL;
    if (!done)
        PyErr_Clear();
    Py_XDECREF(done);
    Py_RETURN_FALSE;
}

static void dealloc(PyObject *self)
{
    struct holding *r = (struct holding *)self;
    if (r->open && handle_idle(r->handle)) {
        size_t n = 0;
        for (Py_ssize_t i = 0; i < r->count; i++)
            if (!r->views[i].settled)
                r->slots[n++] = r->slots[i];
        cvb_cancel(r->handle->cvb, r->slots, n);
    }
    holding_drop(r);
}

static Py_ssize_t length(PyObject *self) { return ((struct holding *)self)->count; }

static PyMethodDef methods[] = {{"publish", publish, METH_VARARGS, NULL},
                                {"cancel", cancel, METH_VARARGS, NULL},
                                {"__enter__", enter, METH_NOARGS, NULL},
                                {"__exit__", leave, METH_VARARGS, NULL},
                                {NULL, NULL, 0, NULL}};
static PySequenceMethods sequence = {.sq_length = length, .sq_item = holding_item};

PyTypeObject reservation_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "conveyor._core.Reservation",
                                 .tp_basicsize = sizeof(struct holding),
                                 .tp_itemsize = sizeof(struct view) + sizeof(struct cvb_slot),
                                 .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                 .tp_dealloc = dealloc,
                                 .tp_methods = methods,
                                 .tp_as_sequence = &sequence,
                                 .tp_as_buffer = &holding_buffer};
