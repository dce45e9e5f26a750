/* control.c - what is set and given in a live segment, how far a source has come, and how old things are. */
#include "core.h"

#define DONE(handle, what, error) ((error) ? raise_error(handle, what, error) : Py_NewRef(Py_None))

static PyObject *integer(struct handle *handle, const char *what, int64_t n)
{
    return n < 0 ? raise_error(handle, what, (int)n) : PyLong_FromLongLong(n);
}

/* (source): the position behind which it goes on */
static PyObject *source_open(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    unsigned int source;
    uint64_t accepted;
    if (!PyArg_ParseTuple(args, "I", &source) || !handle_ready(handle))
        return NULL;
    int error = cvb_source_open(handle->cvb, source, &accepted);
    return error ? raise_error(handle, "open the source", error) : PyLong_FromUnsignedLongLong(accepted);
}

/* (source) */
static PyObject *source_close(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    unsigned int source;
    if (!PyArg_ParseTuple(args, "I", &source) || !handle_ready(handle))
        return NULL;
    int error = cvb_source_close(handle->cvb, source);
    return DONE(handle, "close the source", error);
}

/* (source) */
static PyObject *source_retire(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    unsigned int source;
    if (!PyArg_ParseTuple(args, "I", &source) || !handle_ready(handle))
        return NULL;
    int error = cvb_source_retire(handle->cvb, source);
    return DONE(handle, "retire the source", error);
}

/* (place): the id of the source that has it, or None */
static PyObject *source_at(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    unsigned int place;
    uint32_t id;
    if (!PyArg_ParseTuple(args, "I", &place) || !handle_ready(handle))
        return NULL;
    int error = cvb_source_at(handle->cvb, place, &id);
    if (error == CVB_EUNKNOWN)
        Py_RETURN_NONE;
    return error ? raise_error(handle, "the source of a place", error) : PyLong_FromUnsignedLong(id);
}

/* (accepted, settled, live) */
static PyObject *triple(void *progress, Py_ssize_t index)
{
    const struct cvb_progress *p = (struct cvb_progress *)progress + index;
    return Py_BuildValue("(KKK)", (unsigned long long)p->accepted, (unsigned long long)p->settled,
                         (unsigned long long)p->live);
}

/* (source): (accepted, settled, live) */
static PyObject *source_progress(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    unsigned int source;
    struct cvb_progress p;
    int error;
    if (!PyArg_ParseTuple(args, "I", &source) || !handle_ready(handle))
        return NULL;
    handle->busy = true;
    Py_BEGIN_ALLOW_THREADS;
    error = cvb_source_progress(handle->cvb, source, &p);
    Py_END_ALLOW_THREADS;
    handle->busy = false;
    return error ? raise_error(handle, "progress", error) : triple(&p, 0);
}

/* A triple for each source that there can be, by its id */
static PyObject *progress_all(PyObject *self, PyObject *none)
{
    struct handle *handle = (struct handle *)self;
    struct cvb_settings s;
    int error;
    (void)none;
    if (!handle_settings(handle, "progress", &s))
        return NULL;
    struct cvb_progress *p = PyMem_Calloc(s.max_sources, sizeof *p);
    if (!p)
        return PyErr_NoMemory();
    handle->busy = true;
    Py_BEGIN_ALLOW_THREADS;
    error = cvb_progress_all(handle->cvb, p);
    Py_END_ALLOW_THREADS;
    handle->busy = false;
    PyObject *list = error ? raise_error(handle, "progress", error) : list_of(s.max_sources, triple, p);
    PyMem_Free(p);
    return list;
}

/* (stage, source, signal, delay in milliseconds, reason) */
static PyObject *give_signal(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    unsigned int stage, source, signal, delay_ms;
    const char *reason;
    if (!PyArg_ParseTuple(args, "IIIIs", &stage, &source, &signal, &delay_ms, &reason) || !handle_ready(handle))
        return NULL;
    int error = cvb_signal(handle->cvb, stage, source, signal, delay_ms, reason);
    return DONE(handle, "signal", error);
}

/* (signal, delay in milliseconds, pid, wall clock in nanoseconds, age in nanoseconds, reason) */
static PyObject *given(struct handle *handle, const char *what, int error, const struct cvb_given *g)
{
    if (error)
        return raise_error(handle, what, error);
    return Py_BuildValue("(IIiKKN)", g->signal, g->delay_ms, (int)g->pid, (unsigned long long)g->at_ns,
                         (unsigned long long)g->age_ns,
                         PyUnicode_DecodeUTF8(g->reason, (Py_ssize_t)strlen(g->reason), "replace"));
}

/* (stage, source) */
static PyObject *signal_of(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    unsigned int stage, source;
    struct cvb_given g;
    if (!PyArg_ParseTuple(args, "II", &stage, &source) || !handle_ready(handle))
        return NULL;
    return given(handle, "signal_of", cvb_signal_of(handle->cvb, stage, source, &g), &g);
}

/* (stage, on, reason) */
static PyObject *hold(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    unsigned int stage;
    int on;
    const char *reason;
    if (!PyArg_ParseTuple(args, "Ips", &stage, &on, &reason) || !handle_ready(handle))
        return NULL;
    int error = cvb_hold_stage(handle->cvb, stage, on, reason);
    return DONE(handle, "hold", error);
}

/* (stage) */
static PyObject *hold_of(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    unsigned int stage;
    struct cvb_given g;
    if (!PyArg_ParseTuple(args, "I", &stage) || !handle_ready(handle))
        return NULL;
    return given(handle, "hold_of", cvb_hold_of(handle->cvb, stage, &g), &g);
}

/* (backpressure, resume) */
static PyObject *set_thresholds(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    double backpressure, resume;
    if (!PyArg_ParseTuple(args, "dd", &backpressure, &resume) || !handle_ready(handle))
        return NULL;
    int error = cvb_set_thresholds(handle->cvb, backpressure, resume);
    return DONE(handle, "set_thresholds", error);
}

static PyObject *thresholds(PyObject *self, PyObject *none)
{
    struct handle *handle = (struct handle *)self;
    double backpressure, resume;
    (void)none;
    if (!handle_ready(handle))
        return NULL;
    int error = cvb_thresholds_of(handle->cvb, &backpressure, &resume);
    return error ? raise_error(handle, "thresholds", error) : Py_BuildValue("(dd)", backpressure, resume);
}

/* (stage, retries) */
static PyObject *set_max_retries(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    unsigned int stage, retries;
    if (!PyArg_ParseTuple(args, "II", &stage, &retries) || !handle_ready(handle))
        return NULL;
    int error = cvb_set_max_retries(handle->cvb, stage, retries);
    return DONE(handle, "set_max_retries", error);
}

/* (stage) */
static PyObject *max_retries(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    unsigned int stage;
    if (!PyArg_ParseTuple(args, "I", &stage) || !handle_ready(handle))
        return NULL;
    return integer(handle, "max_retries", cvb_max_retries_of(handle->cvb, stage));
}

/* (delay, cap), in milliseconds */
static PyObject *set_retry_delay(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    unsigned int delay_ms, cap_ms;
    if (!PyArg_ParseTuple(args, "II", &delay_ms, &cap_ms) || !handle_ready(handle))
        return NULL;
    int error = cvb_set_retry_delay(handle->cvb, delay_ms, cap_ms);
    return DONE(handle, "set_retry_delay", error);
}

static PyObject *retry_delay(PyObject *self, PyObject *none)
{
    struct handle *handle = (struct handle *)self;
    uint32_t delay_ms, cap_ms;
    (void)none;
    if (!handle_ready(handle))
        return NULL;
    int error = cvb_retry_delay_of(handle->cvb, &delay_ms, &cap_ms);
    return error ? raise_error(handle, "retry_delay", error) : Py_BuildValue("(II)", delay_ms, cap_ms);
}

static PyObject *pair(void *ages, Py_ssize_t index)
{
    const struct cvb_age *age = (struct cvb_age *)ages + index;
    return Py_BuildValue("(dd)", (double)age->record_ns / 1e9, (double)age->lease_ns / 1e9);
}

/* (total, by stage, by source, by seat), of (seconds of the oldest record, seconds of the oldest lease) */
static PyObject *ages(PyObject *self, PyObject *none)
{
    struct handle *handle = (struct handle *)self;
    struct cvb_settings s;
    int error;
    (void)none;
    if (!handle_settings(handle, "ages", &s))
        return NULL;
    struct cvb_age *all = PyMem_Calloc(1 + (size_t)s.max_stages + s.max_sources + s.max_handles, sizeof *all);
    if (!all)
        return PyErr_NoMemory();
    struct cvb_age *stages = all + 1, *sources = stages + s.max_stages, *seats = sources + s.max_sources;
    handle->busy = true;
    Py_BEGIN_ALLOW_THREADS;
    error = cvb_ages(handle->cvb, all, stages, sources, seats);
    Py_END_ALLOW_THREADS;
    handle->busy = false;
    PyObject *found = error ? raise_error(handle, "ages", error)
                            : Py_BuildValue("(NNNN)", pair(all, 0), list_of(s.max_stages, pair, stages),
                                            list_of(s.max_sources, pair, sources), list_of(s.max_handles, pair, seats));
    PyMem_Free(all);
    return found;
}

/* (stage): (samples, p50, p99, max), in seconds */
static PyObject *waits(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    unsigned int stage;
    struct cvb_waits w;
    if (!PyArg_ParseTuple(args, "I", &stage) || !handle_ready(handle))
        return NULL;
    int error = cvb_stage_waits(handle->cvb, stage, &w);
    return error ? raise_error(handle, "waits", error)
                 : Py_BuildValue("(Kddd)", (unsigned long long)w.samples, (double)w.p50_ns / 1e9,
                                 (double)w.p99_ns / 1e9, (double)w.max_ns / 1e9);
}

/* (deaths, recoveries, pauses, signals) */
static PyObject *totals(PyObject *self, PyObject *none)
{
    struct handle *handle = (struct handle *)self;
    struct cvb_totals t;
    (void)none;
    if (!handle_ready(handle))
        return NULL;
    int error = cvb_totals(handle->cvb, &t);
    return error ? raise_error(handle, "totals", error)
                 : Py_BuildValue("(KKKK)", (unsigned long long)t.deaths, (unsigned long long)t.recoveries,
                                 (unsigned long long)t.pauses, (unsigned long long)t.signals);
}

PyMethodDef control_methods[] = {{"source_open", source_open, METH_VARARGS, NULL},
                                 {"source_close", source_close, METH_VARARGS, NULL},
                                 {"source_retire", source_retire, METH_VARARGS, NULL},
                                 {"source_at", source_at, METH_VARARGS, NULL},
                                 {"source_progress", source_progress, METH_VARARGS, NULL},
                                 {"progress_all", progress_all, METH_NOARGS, NULL},
                                 {"signal", give_signal, METH_VARARGS, NULL},
                                 {"signal_of", signal_of, METH_VARARGS, NULL},
                                 {"hold", hold, METH_VARARGS, NULL},
                                 {"hold_of", hold_of, METH_VARARGS, NULL},
                                 {"set_thresholds", set_thresholds, METH_VARARGS, NULL},
                                 {"thresholds", thresholds, METH_NOARGS, NULL},
                                 {"set_max_retries", set_max_retries, METH_VARARGS, NULL},
                                 {"max_retries", max_retries, METH_VARARGS, NULL},
                                 {"set_retry_delay", set_retry_delay, METH_VARARGS, NULL},
                                 {"retry_delay", retry_delay, METH_NOARGS, NULL},
                                 {"ages", ages, METH_NOARGS, NULL},
                                 {"waits", waits, METH_VARARGS, NULL},
                                 {"totals", totals, METH_NOARGS, NULL},
                                 {NULL, NULL, 0, NULL}};
