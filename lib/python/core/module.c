/* module.c - the module, and how an error of the library becomes an exception: conveyor.errors has the classes. */
#include <errno.h>

#include "core.h"

static PyObject *errors_module(void)
{
    static PyObject *module;
    if (!module)
        module = PyImport_ImportModule("conveyor.errors");
    return module;
}

PyObject *raise_error(struct handle *handle, const char *what, int error)
{
    int number = errno;
    PyObject *module = errors_module();
    if (!module)
        return NULL;
    PyObject *made = PyObject_CallMethod(module, "make", "iisOs", error, number, what, handle ? handle->name : Py_None,
                                         cvb_error_text(error));
    if (made) {
        PyErr_SetObject((PyObject *)Py_TYPE(made), made);
        Py_DECREF(made);
    }
    return NULL;
}

void raise_closed(struct handle *handle)
{
    PyObject *module = errors_module();
    PyObject *type = module ? PyObject_GetAttrString(module, "ClosedError") : NULL;
    if (type)
        PyErr_Format(type, "segment '%U' is closed; attach anew", handle->name);
    Py_XDECREF(type);
}

/* May be asked while an exception is set. */
PyObject *error_class(int error)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *module = errors_module();
    PyObject *found = module ? PyObject_CallMethod(module, "class_of", "i", error) : NULL;
    Py_XDECREF(found); /* the module keeps it */
    PyErr_Restore(type, value, traceback);
    return found ? found : PyExc_Exception;
}

PyObject *list_of(Py_ssize_t count, PyObject *(*one)(void *of, Py_ssize_t index), void *of)
{
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list && i < count; i++) {
        PyObject *item = one(of, i);
        if (item)
            PyList_SET_ITEM(list, i, item);
        else
            Py_CLEAR(list);
    }
    return list;
}

/* Never fails: what goes wrong with the log is reported and forgotten. */
void log_settled(struct handle *handle, enum verdict verdict, Py_ssize_t count, uint32_t stage, PyObject *type,
                 PyObject *traceback)
{
    PyObject *module = errors_module();
    PyObject *name = module ? handle_name(handle, STAGES, stage) : NULL;
    PyObject *done = name ? PyObject_CallMethod(module, "log_settled", "iOOnOO", (int)verdict, handle->name, name,
                                                count, type ? type : Py_None, traceback ? traceback : Py_None)
                          : NULL;
    if (!done)
        PyErr_WriteUnraisable((PyObject *)handle);
    Py_XDECREF(name);
    Py_XDECREF(done);
}

static PyObject *unlink_segment(PyObject *module, PyObject *args)
{
    const char *name;
    (void)module;
    if (!PyArg_ParseTuple(args, "s", &name))
        return NULL;
    int error = cvb_unlink(name);
    if (error)
        return raise_error(NULL, "unlink", error);
    Py_RETURN_NONE;
}

static PyObject *after_fork(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    handle_after_fork();
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {{"create", make_segment, METH_VARARGS, NULL},
                                  {"memory_needed", memory_needed, METH_O, NULL},
                                  {"default_settings", default_settings, METH_NOARGS, NULL},
                                  {"segments", list_segments, METH_NOARGS, NULL},
                                  {"unlink", unlink_segment, METH_VARARGS, NULL},
                                  {"after_fork", after_fork, METH_NOARGS, NULL},
                                  {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "conveyor._core", .m_size = -1,
                                        .m_methods = functions};

PyMODINIT_FUNC PyInit__core(void);

/* The handle's methods stand in several files; a type has one table. */
static PyMethodDef handle_methods[96];

static PyMethodDef *append(PyMethodDef *to, const PyMethodDef *from)
{
    while (from->ml_name)
        *to++ = *from++;
    return to;
}

static void gather_methods(void)
{
    PyMethodDef *to = append(handle_methods, handle_type.tp_methods);
    append(append(append(append(to, wait_methods), put_methods), state_methods), control_methods);
    handle_type.tp_methods = handle_methods;
}

PyMODINIT_FUNC PyInit__core(void)
{
    static const struct {
        const char *name;
        PyTypeObject *type;
    } types[] = {{"Handle", &handle_type},           {"Batch", &batch_type},      {"Lease", &lease_type},
                 {"Reservation", &reservation_type}, {"Slot", &slot_type},        {"Batches", &batches_type},
                 {"AsyncBatches", &abatches_type},   {"Notifier", &notifier_type}};
    gather_methods();
    PyObject *module = PyModule_Create(&definition);
    for (size_t i = 0; module && i < sizeof types / sizeof *types; i++)
        if (PyType_Ready(types[i].type) || PyModule_AddObjectRef(module, types[i].name, (PyObject *)types[i].type))
            Py_CLEAR(module);
    if (module && (PyModule_AddIntConstant(module, "NO_STAGE", CVB_NO_STAGE) ||
                   PyModule_AddIntConstant(module, "NO_SOURCE", CVB_NO_SOURCE) ||
                   PyModule_AddIntConstant(module, "WATCH_RECORDS", CVB_WATCH_RECORDS) ||
                   PyModule_AddIntConstant(module, "WATCH_CREDITS", CVB_WATCH_CREDITS)))
        Py_CLEAR(module);
    return module;
}
