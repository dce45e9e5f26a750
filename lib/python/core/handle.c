/* handle.c - a seat in a segment: attach, close, names, fork. */
#include "core.h"

#define NAMES_KEPT 131072 /* of a kind: twice as many as a segment can have at a time */

static struct handle *handles; /* of this process */

/* Records that no longer have an owner are settled before anything else is done. */
bool handle_idle(struct handle *handle)
{
    if (!handle->cvb || handle->forked || handle->busy)
        return false;
    if (handle->later)
        batch_sweep(handle);
    return true;
}

bool handle_ready(struct handle *handle)
{
    if (handle_idle(handle))
        return true;
    if (!handle->cvb)
        raise_closed(handle);
    else
        raise_error(handle, "call", handle->forked ? CVB_EFORKED : CVB_EBUSY);
    return false;
}

bool handle_settings(struct handle *handle, const char *what, struct cvb_settings *settings)
{
    if (!handle_ready(handle))
        return false;
    int error = cvb_settings_of(handle->cvb, settings);
    if (error)
        raise_error(handle, what, error);
    return !error;
}

static PyObject *attach(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"name", "observe", NULL};
    PyObject *name;
    int observe = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "U|p", names, &name, &observe))
        return NULL;
    const char *text = PyUnicode_AsUTF8(name);
    struct handle *self = text ? (struct handle *)type->tp_alloc(type, 0) : NULL;
    if (!self)
        return NULL;
    self->name = Py_NewRef(name);
    int error;
    Py_BEGIN_ALLOW_THREADS;
    error = observe ? cvb_observe(text, &self->cvb) : cvb_attach(text, &self->cvb);
    Py_END_ALLOW_THREADS;
    if (!error && !observe) /* an observer never waits */
        error = cvb_interruptible(self->cvb, 1);
    for (int kind = 0; kind < KINDS && !error; kind++)
        if (!(self->names[kind] = PyDict_New()))
            error = CVB_ESYSTEM;
    if (error) {
        raise_error(self, observe ? "observe" : "attach", error);
        Py_DECREF(self);
        return NULL;
    }
    self->at = &handles;
    if ((self->next = handles))
        handles->at = &self->next;
    handles = self;
    return (PyObject *)self;
}

static int detach(struct handle *self)
{
    struct cvb_handle *cvb = self->cvb;
    self->cvb = NULL;
    if (!cvb)
        return 0;
    int error;
    Py_BEGIN_ALLOW_THREADS;
    error = cvb_detach(cvb);
    Py_END_ALLOW_THREADS;
    return error;
}

static void dealloc(PyObject *object)
{
    struct handle *self = (struct handle *)object;
    if (self->at && (*self->at = self->next))
        self->next->at = self->at;
    detach(self); /* gives back what no batch has any more, too */
    for (struct later *l; (l = self->later); PyMem_Free(l))
        self->later = l->next;
    Py_XDECREF(self->name);
    for (int kind = 0; kind < KINDS; kind++)
        Py_XDECREF(self->names[kind]);
    Py_TYPE(object)->tp_free(object);
}

/* In the child none of the parent's views may show what the parent's records become. What remains after this, slices
 * that others hold, conveyor.errors.after_fork looks for. */
void handle_after_fork(void)
{
    for (struct handle *h = handles; h; h = h->next) {
        h->forked = true;
        h->busy = false;
        for (struct holding *held = h->held; held; held = held->next)
            holding_cut_views(held);
    }
}

static PyObject *close_handle(PyObject *object, PyObject *none)
{
    struct handle *self = (struct handle *)object;
    (void)none;
    if (!self->cvb)
        Py_RETURN_NONE;
    if (!self->forked && !handle_ready(self))
        return NULL;
    for (struct holding *held = self->held; held && !self->forked; held = held->next)
        for (Py_ssize_t i = 0; i < held->count; i++)
            if (!held->views[i].settled && !holding_close_views(held, i))
                return NULL;
    int error = detach(self);
    if (error && error != CVB_EFORKED)
        return raise_error(self, "close", error);
    Py_RETURN_NONE;
}

static PyObject *intern(struct handle *self, PyObject *name, const char *what,
                        int (*function)(struct cvb_handle *, const char *, uint32_t *))
{
    uint32_t id;
    const char *text = PyUnicode_AsUTF8(name);
    if (!text || !handle_ready(self))
        return NULL;
    int error = function(self->cvb, text, &id);
    return error ? raise_error(self, what, error) : PyLong_FromUnsignedLong(id);
}

static PyObject *stage(PyObject *self, PyObject *name)
{
    return intern((struct handle *)self, name, "stage", cvb_stage);
}

static PyObject *source(PyObject *self, PyObject *name)
{
    return intern((struct handle *)self, name, "source", cvb_source);
}

static PyObject *pipeline(PyObject *self, PyObject *name)
{
    return intern((struct handle *)self, name, "pipeline", cvb_pipeline);
}

bool handle_stage(struct handle *handle, PyObject *stage, uint32_t *id)
{
    if (!handle_ready(handle))
        return false;
    if (PyUnicode_Check(stage)) {
        const char *text = PyUnicode_AsUTF8(stage);
        int error = text ? cvb_stage(handle->cvb, text, id) : 0;
        if (error)
            raise_error(handle, "stage", error);
        return text && !error;
    }
    PyObject *number = PyLong_Check(stage) ? Py_NewRef(stage) : PyObject_GetAttrString(stage, "id");
    *id = number ? (uint32_t)PyLong_AsUnsignedLong(number) : 0;
    Py_XDECREF(number);
    return !PyErr_Occurred();
}

/* A name never changes: it is asked for once. */
PyObject *handle_name(struct handle *handle, int kind, uint32_t id)
{
    static int (*const functions[KINDS])(struct cvb_handle *, uint32_t, char *) = {cvb_stage_name, cvb_source_name,
                                                                                   cvb_pipeline_name};
    PyObject *key = PyLong_FromUnsignedLong(id);
    PyObject *name = key ? PyDict_GetItemWithError(handle->names[kind], key) : NULL;
    if (name || PyErr_Occurred()) {
        Py_XINCREF(name);
    } else if (handle_ready(handle)) {
        char text[CVB_NAME_MAX + 1];
        int error = functions[kind](handle->cvb, id, text);
        name = error ? raise_error(handle, "name", error) : PyUnicode_FromString(text);
        if (PyDict_Size(handle->names[kind]) >= NAMES_KEPT) /* most of them may be retired by now */
            PyDict_Clear(handle->names[kind]);
        if (name && PyDict_SetItem(handle->names[kind], key, name))
            Py_CLEAR(name);
    }
    Py_XDECREF(key);
    return name;
}

static PyObject *names(PyObject *self, PyObject *args)
{
    int kind;
    unsigned int id;
    if (!PyArg_ParseTuple(args, "iI", &kind, &id))
        return NULL;
    if (kind < 0 || kind >= KINDS)
        return PyErr_Format(PyExc_ValueError, "no such kind of name: %d", kind);
    return handle_name((struct handle *)self, kind, id);
}

/* The ids of stages: at most `room`. */
bool handle_ids(PyObject *sequence, uint32_t *ids, size_t room, size_t *count)
{
    PyObject *fast = PySequence_Fast(sequence, "a sequence of ids");
    if (!fast)
        return false;
    *count = (size_t)PySequence_Fast_GET_SIZE(fast);
    if (!*count || *count > room)
        PyErr_Format(PyExc_ValueError, "1 to %zu stages, not %zu", room, *count);
    for (size_t i = 0; i < *count && !PyErr_Occurred(); i++)
        ids[i] = (uint32_t)PyLong_AsUnsignedLong(PySequence_Fast_GET_ITEM(fast, (Py_ssize_t)i));
    Py_DECREF(fast);
    return !PyErr_Occurred();
}

static PyObject *get(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    PyObject *stage;
    uint32_t id;
    Py_ssize_t count;
    if (!PyArg_ParseTuple(args, "On", &stage, &count) || !handle_stage(handle, stage, &id))
        return NULL;
    return batch_get(handle, id, count);
}

static PyObject *is_closed(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(!((struct handle *)self)->cvb);
}

static PyObject *is_stopped(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((struct handle *)self)->stopped);
}

static PyMethodDef methods[] = {{"close", close_handle, METH_NOARGS, NULL},
                                {"stage", stage, METH_O, NULL},
                                {"source", source, METH_O, NULL},
                                {"pipeline", pipeline, METH_O, NULL},
                                {"name", names, METH_VARARGS, NULL},
                                {"get", get, METH_VARARGS, NULL},
                                {NULL, NULL, 0, NULL}};
static PyGetSetDef attributes[] = {
    {"closed", is_closed, NULL, NULL, NULL}, {"stopped", is_stopped, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}};

PyTypeObject handle_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "conveyor._core.Handle",
                            .tp_basicsize = sizeof(struct handle),
                            .tp_flags = Py_TPFLAGS_DEFAULT,
                            .tp_new = attach,
                            .tp_dealloc = dealloc,
                            .tp_methods = methods,
                            .tp_getset = attributes};
