/* state.c - settings, and what a segment holds: structs become dictionaries, whose keys conveyor's dataclasses have. */
#include <stddef.h>

#include "core.h"

/* A member of a struct, by its name. */
struct field {
    const char *name;
    size_t offset;
    enum { U32, U64, REAL } type;
};

#define FIELD(type, kind, name)                                                                                        \
    {                                                                                                                  \
#name, offsetof(struct type, name), kind                                                                       \
    }

static const struct field settings_fields[] = {FIELD(cvb_settings, U32, max_total_records),
                                               FIELD(cvb_settings, U32, max_per_stage),
                                               FIELD(cvb_settings, U32, max_per_source),
                                               FIELD(cvb_settings, REAL, backpressure_threshold),
                                               FIELD(cvb_settings, REAL, resume_threshold),
                                               FIELD(cvb_settings, U32, payload_size),
                                               FIELD(cvb_settings, U32, max_stages),
                                               FIELD(cvb_settings, U32, max_sources),
                                               FIELD(cvb_settings, U32, max_pipelines),
                                               FIELD(cvb_settings, U32, max_handles),
                                               FIELD(cvb_settings, U32, max_retries),
                                               FIELD(cvb_settings, U32, mode),
                                               FIELD(cvb_settings, U32, sealed_stages),
                                               FIELD(cvb_settings, U32, header_size),
                                               FIELD(cvb_settings, U32, retry_delay_ms),
                                               FIELD(cvb_settings, U32, retry_delay_cap_ms),
                                               {NULL, 0, U32}};
static const struct field class_fields[] = {FIELD(cvb_class, U32, bytes), FIELD(cvb_class, U32, count), {NULL, 0, U32}};
static const struct field counts_fields[] = {
    FIELD(cvb_counts, U64, accepted),      FIELD(cvb_counts, U64, delivered),
    FIELD(cvb_counts, U64, acked),         FIELD(cvb_counts, U64, returned),
    FIELD(cvb_counts, U64, released),      FIELD(cvb_counts, U64, redelivered),
    FIELD(cvb_counts, U64, forwarded),     FIELD(cvb_counts, U64, dead_lettered),
    FIELD(cvb_counts, U64, refused_stage), FIELD(cvb_counts, U64, refused_source),
    FIELD(cvb_counts, U64, refused_total), FIELD(cvb_counts, U64, refused_memory),
    FIELD(cvb_counts, U64, stalled_ns),    FIELD(cvb_counts, U64, dead_by_death),
    FIELD(cvb_counts, U64, pauses),        {NULL, 0, U32}};
static const struct field audit_fields[] = {FIELD(cvb_audit, U32, capacity), FIELD(cvb_audit, U32, free),
                                            FIELD(cvb_audit, U32, reserved), FIELD(cvb_audit, U32, queued),
                                            FIELD(cvb_audit, U32, leased),   FIELD(cvb_audit, U32, problems),
                                            FIELD(cvb_audit, U32, delayed),  {NULL, 0, U32}};

static PyObject *number_of(const struct field *f, const void *at)
{
    const char *p = (const char *)at + f->offset;
    return f->type == U32   ? PyLong_FromUnsignedLong(*(const uint32_t *)(const void *)p)
           : f->type == U64 ? PyLong_FromUnsignedLongLong(*(const uint64_t *)(const void *)p)
                            : PyFloat_FromDouble(*(const double *)(const void *)p);
}

static bool set_item(PyObject *dict, const char *key, PyObject *value)
{
    bool good = value && !PyDict_SetItemString(dict, key, value);
    Py_XDECREF(value);
    return good;
}

static PyObject *dict_of(const struct field *fields, const void *at)
{
    PyObject *dict = PyDict_New();
    for (const struct field *f = fields; dict && f->name; f++)
        if (!set_item(dict, f->name, number_of(f, at)))
            Py_CLEAR(dict);
    return dict;
}

static PyObject *dict_of_settings(const struct cvb_settings *s)
{
    PyObject *dict = dict_of(settings_fields, s), *classes = PyList_New(0);
    for (uint32_t i = 0; classes && i < s->class_count; i++) {
        PyObject *pair = Py_BuildValue("(II)", s->classes[i].bytes, s->classes[i].count);
        if (!pair || PyList_Append(classes, pair))
            Py_CLEAR(classes);
        Py_XDECREF(pair);
    }
    if (dict && !set_item(dict, "classes", classes))
        Py_CLEAR(dict);
    return dict;
}

static bool read_number(const struct field *f, PyObject *value, void *at)
{
    char *p = (char *)at + f->offset;
    if (f->type == REAL) {
        *(double *)(void *)p = PyFloat_AsDouble(value);
        return !PyErr_Occurred();
    }
    unsigned long n = PyLong_AsUnsignedLong(value);
    if (!PyErr_Occurred() && n > UINT32_MAX)
        PyErr_Format(PyExc_OverflowError, "%s: at most %u", f->name, UINT32_MAX);
    *(uint32_t *)(void *)p = (uint32_t)n;
    return !PyErr_Occurred();
}

static bool read_fields(const struct field *fields, PyObject *from, void *at)
{
    bool good = true;
    for (const struct field *f = fields; good && f->name; f++) {
        PyObject *value = PyObject_GetAttrString(from, f->name);
        good = value && read_number(f, value, at);
        Py_XDECREF(value);
    }
    return good;
}

/* From conveyor.Settings, or None for the defaults. */
static bool read_settings(PyObject *from, struct cvb_settings *s)
{
    cvb_settings_init(s);
    if (from == Py_None)
        return true;
    if (!read_fields(settings_fields, from, s))
        return false;
    PyObject *classes = PyObject_GetAttrString(from, "classes");
    PyObject *tuple = classes ? PySequence_Tuple(classes) : NULL;
    Py_XDECREF(classes);
    if (!tuple)
        return false;
    bool good = PyTuple_GET_SIZE(tuple) <= CVB_CLASSES_MAX;
    if (!good)
        PyErr_Format(PyExc_ValueError, "at most %d size classes", CVB_CLASSES_MAX);
    for (s->class_count = 0; good && s->class_count < PyTuple_GET_SIZE(tuple); s->class_count++)
        good = read_fields(class_fields, PyTuple_GET_ITEM(tuple, s->class_count), &s->classes[s->class_count]);
    Py_DECREF(tuple);
    return good;
}

PyObject *make_segment(PyObject *module, PyObject *args)
{
    PyObject *name, *from;
    struct cvb_settings settings;
    int error;
    (void)module;
    if (!PyArg_ParseTuple(args, "UO", &name, &from) || !read_settings(from, &settings))
        return NULL;
    const char *text = PyUnicode_AsUTF8(name);
    if (!text)
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    error = cvb_create(text, &settings);
    Py_END_ALLOW_THREADS;
    if (error)
        return raise_error(NULL, "create", error);
    Py_RETURN_NONE;
}

PyObject *memory_needed(PyObject *module, PyObject *from)
{
    struct cvb_settings settings;
    (void)module;
    if (!read_settings(from, &settings))
        return NULL;
    int64_t bytes = cvb_memory_needed(&settings);
    return bytes < 0 ? raise_error(NULL, "memory_needed", (int)bytes) : PyLong_FromLongLong(bytes);
}

PyObject *default_settings(PyObject *module, PyObject *none)
{
    struct cvb_settings settings;
    (void)module;
    (void)none;
    cvb_settings_init(&settings);
    return dict_of_settings(&settings);
}

static int add_segment(const char *name, const struct cvb_settings *settings, uint64_t bytes, void *list)
{
    PyObject *one = Py_BuildValue("(sNK)", name, dict_of_settings(settings), (unsigned long long)bytes);
    bool good = one && !PyList_Append(list, one);
    Py_XDECREF(one);
    return !good;
}

/* [(name, settings, bytes)] */
PyObject *list_segments(PyObject *module, PyObject *none)
{
    PyObject *list = PyList_New(0);
    (void)module;
    (void)none;
    int error = list ? cvb_list(add_segment, list) : 0;
    if (!error)
        return list;
    Py_XDECREF(list);
    return error > 0 ? NULL : raise_error(NULL, "list segments", error);
}

/* The opening of a method: its handle, ready, and its ids. */
static struct handle *ready_with(PyObject *self, PyObject *args, const char *format, void *one, void *two)
{
    struct handle *handle = (struct handle *)self;
    return PyArg_ParseTuple(args, format, one, two) && handle_ready(handle) ? handle : NULL;
}

static PyObject *settings_of(PyObject *self, PyObject *none)
{
    struct handle *handle = (struct handle *)self;
    struct cvb_settings settings;
    (void)none;
    return handle_settings(handle, "settings", &settings) ? dict_of_settings(&settings) : NULL;
}

/* (stage, source): the signal, 0 to 2, and the delay in milliseconds */
static PyObject *backpressure(PyObject *self, PyObject *args)
{
    unsigned int stage, source;
    struct cvb_backpressure b;
    struct handle *handle = ready_with(self, args, "II", &stage, &source);
    if (!handle)
        return NULL;
    int error = cvb_backpressure(handle->cvb, stage, source, &b);
    return error ? raise_error(handle, "backpressure", error) : Py_BuildValue("iI", (int)b.signal, b.delay_ms);
}

static PyObject *integer(struct handle *handle, const char *what, int64_t n)
{
    return n < 0 ? raise_error(handle, what, (int)n) : PyLong_FromLongLong(n);
}

static PyObject *credits(PyObject *self, PyObject *args)
{
    unsigned int source;
    struct handle *handle = ready_with(self, args, "I", &source, NULL);
    return handle ? integer(handle, "credits", cvb_available_credits(handle->cvb, source)) : NULL;
}

/* (stage, source): NO_STAGE and NO_SOURCE for all */
static PyObject *limit(PyObject *self, PyObject *args)
{
    unsigned int stage, source;
    struct handle *handle = ready_with(self, args, "II", &stage, &source);
    return handle ? integer(handle, "limit", cvb_limit_of(handle->cvb, stage, source)) : NULL;
}

/* (limit, stage, source) */
static PyObject *set_limit(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    unsigned int records, stage, source;
    if (!PyArg_ParseTuple(args, "III", &records, &stage, &source) || !handle_ready(handle))
        return NULL;
    int error = cvb_set_limit(handle->cvb, stage, source, records);
    if (error)
        return raise_error(handle, "set_limit", error);
    Py_RETURN_NONE;
}

/* (stage), or () for all */
static PyObject *size(PyObject *self, PyObject *args)
{
    unsigned int stage = CVB_NO_STAGE;
    struct handle *handle = ready_with(self, args, "|I", &stage, NULL);
    if (!handle)
        return NULL;
    return integer(handle, "size",
                   stage == CVB_NO_STAGE ? cvb_total_buffered(handle->cvb) : cvb_stage_size(handle->cvb, stage));
}

static PyObject *utilization(PyObject *self, PyObject *args)
{
    unsigned int stage = CVB_NO_STAGE;
    struct handle *handle = ready_with(self, args, "|I", &stage, NULL);
    if (!handle)
        return NULL;
    double part =
        stage == CVB_NO_STAGE ? cvb_global_utilization(handle->cvb) : cvb_stage_utilization(handle->cvb, stage);
    return part < 0 ? raise_error(handle, "utilization", (int)part) : PyFloat_FromDouble(part);
}

/* (kind, id): of a stage (0), a source (1) or a seat (2) */
static PyObject *counts(PyObject *self, PyObject *args)
{
    static int (*const functions[])(struct cvb_handle *, uint32_t,
                                    struct cvb_counts *) = {cvb_stage_counts, cvb_source_counts, cvb_peer_counts};
    unsigned int kind, id;
    struct cvb_counts c;
    struct handle *handle = ready_with(self, args, "II", &kind, &id);
    if (!handle)
        return NULL;
    int error = kind < 3 ? functions[kind](handle->cvb, id, &c) : CVB_EINVAL;
    return error ? raise_error(handle, "counts", error) : dict_of(counts_fields, &c);
}

static PyObject *quadruple(void *rows, Py_ssize_t index)
{
    const struct cvb_census *c = (struct cvb_census *)rows + index;
    return Py_BuildValue("(IIII)", c->queued, c->leased, c->reserved, c->delayed);
}

/* (total, by stage, by source, by seat), of (queued, leased, reserved, delayed) */
static PyObject *census(PyObject *self, PyObject *none)
{
    struct handle *handle = (struct handle *)self;
    struct cvb_settings s;
    int error;
    struct cvb_census total;
    (void)none;
    if (!handle_settings(handle, "census", &s))
        return NULL;
    size_t rows = (size_t)s.max_stages + s.max_sources + s.max_handles;
    struct cvb_census *all = PyMem_Calloc(rows, sizeof *all);
    if (!all)
        return PyErr_NoMemory();
    struct cvb_census *sources = all + s.max_stages, *seats = sources + s.max_sources;
    handle->busy = true;
    Py_BEGIN_ALLOW_THREADS;
    error = cvb_census(handle->cvb, &total, all, sources, seats);
    Py_END_ALLOW_THREADS;
    handle->busy = false;
    PyObject *found =
        error ? raise_error(handle, "census", error)
              : Py_BuildValue("(NNNN)", quadruple(&total, 0), list_of(s.max_stages, quadruple, all),
                              list_of(s.max_sources, quadruple, sources), list_of(s.max_handles, quadruple, seats));
    PyMem_Free(all);
    return found;
}

/* (seat): the process, 0 (nobody) to 3 (dead), and the seconds since its last call */
static PyObject *peer(PyObject *self, PyObject *args)
{
    unsigned int seat;
    struct cvb_peer p;
    struct handle *handle = ready_with(self, args, "I", &seat, NULL);
    if (!handle)
        return NULL;
    int error = cvb_peer(handle->cvb, seat, &p);
    return error ? raise_error(handle, "peer", error)
                 : Py_BuildValue("iid", (int)p.pid, (int)p.state, (double)p.idle_ns / 1e9);
}

static PyObject *audit(PyObject *self, PyObject *none)
{
    struct handle *handle = (struct handle *)self;
    struct cvb_audit a;
    int error;
    (void)none;
    if (!handle_ready(handle))
        return NULL;
    handle->busy = true;
    Py_BEGIN_ALLOW_THREADS;
    error = cvb_audit(handle->cvb, &a);
    Py_END_ALLOW_THREADS;
    handle->busy = false;
    if (error)
        return raise_error(handle, "audit", error);
    PyObject *dict = dict_of(audit_fields, &a);
    if (dict && (!set_item(dict, "exact", PyBool_FromLong(a.exact)) ||
                 !set_item(dict, "first_problem",
                           PyUnicode_DecodeUTF8(a.first_problem, (Py_ssize_t)strlen(a.first_problem), "replace"))))
        Py_CLEAR(dict);
    return dict;
}

static PyObject *long_call(PyObject *self, const char *what, int (*function)(struct cvb_handle *))
{
    struct handle *handle = (struct handle *)self;
    int n;
    if (!handle_ready(handle))
        return NULL;
    handle->busy = true;
    Py_BEGIN_ALLOW_THREADS;
    n = function(handle->cvb);
    Py_END_ALLOW_THREADS;
    handle->busy = false;
    return integer(handle, what, n);
}

static PyObject *recover(PyObject *self, PyObject *none)
{
    (void)none;
    return long_call(self, "recover", cvb_recover);
}

static PyObject *repair(PyObject *self, PyObject *none)
{
    (void)none;
    return long_call(self, "repair", cvb_repair);
}

static PyObject *is_linked(PyObject *self, PyObject *none)
{
    struct handle *handle = (struct handle *)self;
    (void)none;
    if (!handle_ready(handle))
        return NULL;
    int linked = cvb_is_linked(handle->cvb);
    return linked < 0 ? raise_error(handle, "is_linked", linked) : PyBool_FromLong(linked);
}

static PyObject *seen_record(struct handle *handle, const struct cvb_lease *seen, size_t room)
{
    return Py_BuildValue("(NNNy#IIK)", handle_name(handle, STAGES, seen->stage),
                         handle_name(handle, SOURCES, seen->source), handle_name(handle, PIPELINES, seen->pipeline),
                         seen->payload, (Py_ssize_t)(seen->length < room ? seen->length : room), seen->length,
                         seen->retry_count, (unsigned long long)seen->buffered_at_ns);
}

/* (stage, records at most, bytes of each at most): a list */
static PyObject *peek(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    unsigned int stage;
    Py_ssize_t most, room;
    if (!PyArg_ParseTuple(args, "Inn", &stage, &most, &room) || !handle_ready(handle))
        return NULL;
    if (most < 0 || room < 0)
        return PyErr_Format(PyExc_ValueError, "counts are 0 or more");
    char *bytes = PyMem_Malloc((size_t)room + 1);
    PyObject *list = bytes ? PyList_New(0) : PyErr_NoMemory();
    struct cvb_cursor cursor = {0};
    struct cvb_lease seen;
    for (int n; list && PyList_GET_SIZE(list) < most;) {
        n = cvb_peek(handle->cvb, stage, &cursor, &seen, bytes, (size_t)room);
        if (!n)
            break;
        PyObject *one = n < 0 ? raise_error(handle, "peek", n) : seen_record(handle, &seen, (size_t)room);
        if (!one || PyList_Append(list, one))
            Py_CLEAR(list);
        Py_XDECREF(one);
    }
    PyMem_Free(bytes);
    return list;
}

PyMethodDef state_methods[] = {{"settings", settings_of, METH_NOARGS, NULL},
                               {"backpressure", backpressure, METH_VARARGS, NULL},
                               {"credits", credits, METH_VARARGS, NULL},
                               {"limit", limit, METH_VARARGS, NULL},
                               {"set_limit", set_limit, METH_VARARGS, NULL},
                               {"size", size, METH_VARARGS, NULL},
                               {"utilization", utilization, METH_VARARGS, NULL},
                               {"counts", counts, METH_VARARGS, NULL},
                               {"census", census, METH_NOARGS, NULL},
                               {"peer", peer, METH_VARARGS, NULL},
                               {"audit", audit, METH_NOARGS, NULL},
                               {"recover", recover, METH_NOARGS, NULL},
                               {"repair", repair, METH_NOARGS, NULL},
                               {"is_linked", is_linked, METH_NOARGS, NULL},
                               {"peek", peek, METH_VARARGS, NULL},
                               {NULL, NULL, 0, NULL}};
