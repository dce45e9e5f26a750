/* notifier.c - a descriptor that says when stages have records (conveyor/notify.h), for asyncio. */
#include "core.h"

struct notifier {
    PyObject_HEAD struct cvb_notifier *cvb;
};

static int close_notifier(struct notifier *self)
{
    struct cvb_notifier *cvb = self->cvb;
    int error = 0;
    self->cvb = NULL;
    Py_BEGIN_ALLOW_THREADS;
    error = cvb ? cvb_notify_close(cvb) : 0;
    Py_END_ALLOW_THREADS;
    return error;
}

/* (name, ids of stages) */
static PyObject *open_notifier(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    const char *name;
    PyObject *stages;
    uint32_t ids[64];
    size_t count;
    int error;
    (void)keywords;
    if (!PyArg_ParseTuple(args, "sO", &name, &stages) || !handle_ids(stages, ids, 64, &count))
        return NULL;
    struct notifier *self = (struct notifier *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    error = cvb_notify_open(name, ids, count, &self->cvb);
    Py_END_ALLOW_THREADS;
    if (error) {
        self->cvb = NULL;
        Py_DECREF(self);
        return raise_error(NULL, "watch stages", error);
    }
    return (PyObject *)self;
}

static void dealloc(PyObject *self)
{
    close_notifier((struct notifier *)self);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *fileno_of(PyObject *self, PyObject *none)
{
    (void)none;
    return PyLong_FromLong(((struct notifier *)self)->cvb ? cvb_notify_fd(((struct notifier *)self)->cvb) : -1);
}

static PyObject *rearm(PyObject *self, PyObject *none)
{
    struct notifier *n = (struct notifier *)self;
    (void)none;
    int error = n->cvb ? cvb_notify_rearm(n->cvb) : CVB_EINVAL;
    if (error)
        return raise_error(NULL, "watch stages", error);
    Py_RETURN_NONE;
}

static PyObject *close_method(PyObject *self, PyObject *none)
{
    (void)none;
    int error = close_notifier((struct notifier *)self);
    if (error && error != CVB_EFORKED)
        return raise_error(NULL, "close a watch", error);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {{"fileno", fileno_of, METH_NOARGS, NULL},
                                {"rearm", rearm, METH_NOARGS, NULL},
                                {"close", close_method, METH_NOARGS, NULL},
                                {NULL, NULL, 0, NULL}};

PyTypeObject notifier_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "conveyor._core.Notifier",
                              .tp_basicsize = sizeof(struct notifier),
                              .tp_flags = Py_TPFLAGS_DEFAULT,
                              .tp_new = open_notifier,
                              .tp_dealloc = dealloc,
                              .tp_methods = methods};
