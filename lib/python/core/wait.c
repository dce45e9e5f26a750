/* wait.c - waiting without the interpreter's lock; signals, wake() and stop() end it.
 *
 * A signal that is handled while a wait sleeps ends the sleep, and Python's handlers run: if one raises (Ctrl-C), so
 * does the wait, else it goes on. The C handler of a signal that comes just before the sleep only sets a flag that
 * nobody would see: so no sleep is longer than SLICE_NS.
 */
#include <time.h>

#include "core.h"

#define SECOND_NS INT64_C(1000000000)
#define SLICE_NS SECOND_NS /* how late a signal may be noticed that came in the worst moment */

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec;
}

bool deadline_of(PyObject *seconds, int64_t *deadline_ns)
{
    *deadline_ns = INT64_MAX;
    if (seconds == Py_None)
        return true;
    double s = PyFloat_AsDouble(seconds);
    if (s == -1 && PyErr_Occurred())
        return false;
    if (!(s >= 0)) {
        PyErr_SetString(PyExc_ValueError, "a timeout is a number of seconds, 0 or more, or None");
        return false;
    }
    int64_t now = now_ns();
    if (s < (double)(INT64_MAX - now) / 2e9)
        *deadline_ns = now + (int64_t)(s * 1e9);
    return true;
}

/* True if the wait is over because somebody said so: an exception is set. */
bool raise_if_stopped(struct handle *handle, const char *what)
{
    if (!handle->woken && !handle->stopped)
        return false;
    handle->woken = false;
    raise_error(handle, what, CVB_EINTERRUPTED);
    return true;
}

struct wait {
    const char *what;
    const uint32_t *stages; /* for records, or NULL */
    size_t count;
    uint32_t stage, source; /* for credits */
    uint64_t position;      /* not 0: until the source is settled up to it */
};

static int sleep_once(struct handle *handle, const struct wait *w, int64_t timeout_ns)
{
    int result;
    handle->busy = true;
    Py_BEGIN_ALLOW_THREADS;
    result = w->stages     ? cvb_wait_records(handle->cvb, w->stages, w->count, timeout_ns)
             : w->position ? cvb_wait_settled(handle->cvb, w->source, w->position, timeout_ns)
                           : cvb_wait_credits(handle->cvb, w->stage, w->source, timeout_ns);
    Py_END_ALLOW_THREADS;
    handle->busy = false;
    return result;
}

/* 0 or more: it is there; CVB_ETIMEDOUT; -1 with an exception. A handler of a signal may close the handle. */
static int wait_for(struct handle *handle, const struct wait *w, int64_t deadline_ns)
{
    for (;;) {
        if (!handle_ready(handle) || raise_if_stopped(handle, w->what))
            return -1;
        int64_t left = deadline_ns == INT64_MAX ? SLICE_NS : deadline_ns - now_ns();
        left = left < 0 ? 0 : left;
        int result = sleep_once(handle, w, left < SLICE_NS ? left : SLICE_NS);
        if (PyErr_CheckSignals())
            return -1;
        if (result >= 0)
            return result;
        if (result == CVB_ETIMEDOUT && left < SLICE_NS && deadline_ns != INT64_MAX)
            return result;
        if (result != CVB_ETIMEDOUT && result != CVB_EINTERRUPTED) {
            raise_error(handle, w->what, result);
            return -1;
        }
    }
}

int wait_records(struct handle *handle, const uint32_t *stages, size_t count, int64_t deadline_ns)
{
    struct wait w = {.what = "wait for records", .stages = stages, .count = count};
    return wait_for(handle, &w, deadline_ns);
}

int wait_credits(struct handle *handle, uint32_t stage, uint32_t source, int64_t deadline_ns)
{
    struct wait w = {.what = "wait for credits", .stage = stage, .source = source};
    return wait_for(handle, &w, deadline_ns);
}

/* The index of a stage that has records, or None if the time is over. */
static PyObject *records(PyObject *self, PyObject *args)
{
    PyObject *stages, *seconds = Py_None;
    uint32_t ids[64];
    size_t count;
    int64_t deadline_ns;
    if (!PyArg_ParseTuple(args, "O|O", &stages, &seconds) || !handle_ids(stages, ids, 64, &count) ||
        !deadline_of(seconds, &deadline_ns))
        return NULL;
    int index = wait_records((struct handle *)self, ids, count, deadline_ns);
    if (index == CVB_ETIMEDOUT)
        Py_RETURN_NONE;
    return index < 0 ? NULL : PyLong_FromLong(index);
}

/* True if there is room, False if the time is over. */
static PyObject *credits(PyObject *self, PyObject *args)
{
    PyObject *seconds = Py_None;
    unsigned int stage, source;
    int64_t deadline_ns;
    if (!PyArg_ParseTuple(args, "II|O", &stage, &source, &seconds) || !deadline_of(seconds, &deadline_ns))
        return NULL;
    int result = wait_credits((struct handle *)self, stage, source, deadline_ns);
    return result < 0 && result != CVB_ETIMEDOUT ? NULL : PyBool_FromLong(!result);
}

/* (source, position): True if it is settled up to there, False if the time is over. */
static PyObject *settled(PyObject *self, PyObject *args)
{
    PyObject *seconds = Py_None;
    unsigned int source;
    unsigned long long position;
    int64_t deadline_ns;
    if (!PyArg_ParseTuple(args, "IK|O", &source, &position, &seconds) || !deadline_of(seconds, &deadline_ns))
        return NULL;
    if (!position)
        Py_RETURN_TRUE;
    struct wait w = {.what = "wait until it is settled", .source = source, .position = position};
    int result = wait_for((struct handle *)self, &w, deadline_ns);
    return result < 0 && result != CVB_ETIMEDOUT ? NULL : PyBool_FromLong(!result);
}

/* From any thread, or a handler of a signal; so it asks neither for the handle's thread nor for its idleness. */
static PyObject *wake_up(struct handle *self, bool stop)
{
    if (!self->cvb || self->forked) {
        handle_ready(self); /* says which */
        return NULL;
    }
    self->woken |= !stop;
    self->stopped |= stop;
    int error = cvb_wake(self->cvb);
    if (error)
        return raise_error(self, stop ? "stop" : "wake", error);
    Py_RETURN_NONE;
}

static PyObject *wake(PyObject *self, PyObject *none)
{
    (void)none;
    return wake_up((struct handle *)self, false);
}

static PyObject *stop(PyObject *self, PyObject *none)
{
    (void)none;
    return wake_up((struct handle *)self, true);
}

PyMethodDef wait_methods[] = {{"wait_records", records, METH_VARARGS, NULL},
                              {"wait_credits", credits, METH_VARARGS, NULL},
                              {"wait_settled", settled, METH_VARARGS, NULL},
                              {"wake", wake, METH_NOARGS, NULL},
                              {"stop", stop, METH_NOARGS, NULL},
                              {NULL, NULL, 0, NULL}};
