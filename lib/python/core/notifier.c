/* notifier.c - a descriptor that says what there is of what is watched (conveyor/notify.h), for asyncio. */
#include "core.h"

#define FIRED_MOST 64 /* watches that one call tells */

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

/* (name) */
static PyObject *open_notifier(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    const char *name;
    int error;
    (void)keywords;
    if (!PyArg_ParseTuple(args, "s", &name))
        return NULL;
    struct notifier *self = (struct notifier *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    error = cvb_notify_create(name, &self->cvb);
    Py_END_ALLOW_THREADS;
    if (error) {
        self->cvb = NULL;
        Py_DECREF(self);
        return raise_error(NULL, "watch", error);
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

/* (what, stage, source, length): the id of the new watch, which is armed */
static PyObject *watch(PyObject *self, PyObject *args)
{
    struct notifier *n = (struct notifier *)self;
    struct cvb_watch w = {0};
    if (!PyArg_ParseTuple(args, "IIII", &w.what, &w.stage, &w.source, &w.length))
        return NULL;
    int id = n->cvb ? cvb_notify_watch(n->cvb, &w) : CVB_EINVAL;
    return id < 0 ? raise_error(NULL, "watch", id) : PyLong_FromLong(id);
}

static PyObject *do_with_id(PyObject *self, PyObject *number, int (*what)(struct cvb_notifier *, int))
{
    struct notifier *n = (struct notifier *)self;
    int id = (int)PyLong_AsLong(number);
    if (id == -1 && PyErr_Occurred())
        return NULL;
    int error = n->cvb ? what(n->cvb, id) : CVB_EINVAL;
    if (error)
        return raise_error(NULL, "watch", error);
    Py_RETURN_NONE;
}

static PyObject *arm(PyObject *self, PyObject *id) { return do_with_id(self, id, cvb_notify_arm); }

static PyObject *unwatch(PyObject *self, PyObject *id) { return do_with_id(self, id, cvb_notify_unwatch); }

static PyObject *id_of(void *told, Py_ssize_t index) { return PyLong_FromLong(((struct cvb_watch *)told)[index].id); }

/* The ids of watches that have fired; the descriptor stays readable if there are more. */
static PyObject *fired(PyObject *self, PyObject *none)
{
    struct notifier *n = (struct notifier *)self;
    struct cvb_watch told[FIRED_MOST];
    (void)none;
    int count = n->cvb ? cvb_notify_fired(n->cvb, told, FIRED_MOST) : CVB_EINVAL;
    return count < 0 ? raise_error(NULL, "watch", count) : list_of(count, id_of, told);
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
                                {"watch", watch, METH_VARARGS, NULL},
                                {"arm", arm, METH_O, NULL},
                                {"unwatch", unwatch, METH_O, NULL},
                                {"fired", fired, METH_NOARGS, NULL},
                                {"close", close_method, METH_NOARGS, NULL},
                                {NULL, NULL, 0, NULL}};

PyTypeObject notifier_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "conveyor._core.Notifier",
                              .tp_basicsize = sizeof(struct notifier),
                              .tp_flags = Py_TPFLAGS_DEFAULT,
                              .tp_new = open_notifier,
                              .tp_dealloc = dealloc,
                              .tp_methods = methods};
