/* holding.c - what a Batch and a Reservation have in common: records, and the memoryviews into them.
 *
 * A holding is the exporter of its records' memoryviews; which record is meant stands in Py_buffer.internal. So the
 * interpreter says when the last slice of a memoryview is gone, and the count is right whatever became of the first.
 */
#include "core.h"

struct holding *holding_new(PyTypeObject *type, struct handle *handle, Py_ssize_t room, size_t item)
{
    if ((size_t)room > (size_t)PY_SSIZE_T_MAX / 2 / (sizeof(struct view) + item))
        return (struct holding *)PyErr_NoMemory();
    struct holding *h = PyObject_NewVar(struct holding, type, room);
    if (!h)
        return NULL;
    h->handle = (struct handle *)Py_NewRef(handle);
    h->count = h->open = 0;
    h->exporting = -1;
    h->longest = h->longest_header = 0;
    h->verdict = UNDECIDED;
    h->views = (struct view *)(h + 1);
    h->leases = item == sizeof(struct cvb_lease) ? (struct cvb_lease *)(h->views + room) : NULL;
    h->slots = h->leases ? NULL : (struct cvb_slot *)(h->views + room);
    memset(h->views, 0, (size_t)room * sizeof(struct view));
    h->at = &handle->held;
    if ((h->next = handle->held))
        handle->held->at = &h->next;
    handle->held = h;
    return h;
}

/* The end of a holding that has nothing open any more. */
void holding_drop(struct holding *h)
{
    if ((*h->at = h->next))
        h->next->at = h->at;
    for (Py_ssize_t i = 0; i < h->count; i++)
        Py_XDECREF(h->views[i].weak);
    Py_DECREF(h->handle);
    PyObject_Free(h);
}

bool holding_open(const struct holding *h, Py_ssize_t index)
{
    if (!handle_ready(h->handle))
        return false;
    if (h->views[index].settled || h->verdict) {
        raise_error(h->handle, h->leases ? "lease" : "slot", CVB_ESETTLED);
        return false;
    }
    return true;
}

static void *bytes_of(const struct holding *h, Py_ssize_t index, Py_ssize_t *length)
{
    *length = h->leases ? h->leases[index].length : h->longest;
    return h->leases ? (void *)(uintptr_t)h->leases[index].payload : h->slots[index].payload;
}

/* A memoryview of a record; the one that is there already, if somebody has it. */
PyObject *holding_view(struct holding *h, Py_ssize_t index)
{
    struct view *view = &h->views[index];
    if (!holding_open(h, index))
        return NULL;
    if (view->weak && view->exports && PyWeakref_GET_OBJECT(view->weak) != Py_None)
        return Py_NewRef(PyWeakref_GET_OBJECT(view->weak));
    Py_CLEAR(view->weak);
    h->exporting = index;
    PyObject *memory = PyMemoryView_FromObject((PyObject *)h);
    h->exporting = -1;
    if (memory && !(view->weak = PyWeakref_NewRef(memory, NULL)))
        Py_CLEAR(memory);
    return memory;
}

static int get_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    struct holding *h = (struct holding *)self;
    Py_ssize_t index = h->exporting, length;
    if (index < 0) {
        PyErr_SetString(PyExc_BufferError, "take the payload of one of its records");
        return -1;
    }
    void *bytes = bytes_of(h, index, &length);
    if (PyBuffer_FillInfo(buffer, self, bytes, length, !!h->leases, flags & ~(h->leases ? PyBUF_WRITABLE : 0)))
        return -1;
    buffer->internal = (void *)index;
    h->views[index].exports++;
    return 0;
}

static void release_buffer(PyObject *self, Py_buffer *buffer)
{
    struct holding *h = (struct holding *)self;
    h->views[(Py_ssize_t)buffer->internal].exports--;
    if (h->verdict)
        batch_decided(h);
}

PyBufferProcs holding_buffer = {get_buffer, release_buffer};

static bool release_view(struct view *view)
{
    PyObject *memory = view->weak ? PyWeakref_GET_OBJECT(view->weak) : Py_None;
    if (memory == Py_None)
        return true;
    Py_INCREF(memory);
    PyObject *done = PyObject_CallMethod(memory, "release", NULL);
    Py_DECREF(memory);
    Py_XDECREF(done);
    return done;
}

/* No buffer shows the record any more; or BufferError. */
bool holding_close_views(struct holding *h, Py_ssize_t index)
{
    struct view *view = &h->views[index];
    if (!view->exports)
        return true;
    if (!release_view(view) && !PyErr_ExceptionMatches(PyExc_BufferError))
        return false;
    PyErr_Clear();
    if (view->exports) {
        PyErr_Format(PyExc_BufferError,
                     "record %zd is still in use by a slice of its payload or an array over it: "
                     "copy what must outlive the record with bytes(), or delete the slice first",
                     index);
        return false;
    }
    return true;
}

void holding_settled(struct holding *h, Py_ssize_t index)
{
    h->views[index].settled = true;
    h->open--;
}

/* In a forked child: as far as it goes, and nothing is said. */
void holding_cut_views(struct holding *h)
{
    for (Py_ssize_t i = 0; i < h->count; i++)
        if (h->views[i].exports && !release_view(&h->views[i]))
            PyErr_Clear();
}

static bool choose_one(struct holding *h, PyTypeObject *type, PyObject *one, Py_ssize_t *index)
{
    struct item *item = (struct item *)one;
    if (!PyObject_TypeCheck(one, type) || item->held != h) {
        PyErr_Format(PyExc_ValueError, "%R is none of these records", one);
        return false;
    }
    *index = item->index;
    if (!holding_open(h, item->index) || !holding_close_views(h, item->index))
        return false;
    if (h->views[item->index].chosen)
        raise_error(h->handle, "settle a record twice", CVB_ESETTLED);
    return !h->views[item->index].chosen;
}

static bool choose(struct holding *h, PyTypeObject *type, PyObject *fast, Py_ssize_t *indices, Py_ssize_t *count)
{
    Py_ssize_t most = fast ? PySequence_Fast_GET_SIZE(fast) : h->count;
    bool good = true;
    *count = 0;
    for (Py_ssize_t i = 0; i < most && good; i++) {
        if (!fast && (h->views[i].settled || h->verdict))
            continue;
        indices[*count] = i;
        good =
            fast ? choose_one(h, type, PySequence_Fast_GET_ITEM(fast, i), &indices[*count]) : holding_close_views(h, i);
        if (good)
            h->views[indices[(*count)++]].chosen = true;
    }
    for (Py_ssize_t i = 0; i < *count; i++)
        h->views[indices[i]].chosen = false;
    return good;
}

/* The indices of the records that are meant, all of them open and without views: an iterable of items, or all that are
 * open (NULL, None). To be freed with PyMem_Free. NULL: an exception is set. */
Py_ssize_t *holding_choose(struct holding *h, PyTypeObject *type, PyObject *chosen, Py_ssize_t *count)
{
    bool all = !chosen || chosen == Py_None;
    PyObject *fast =
        all ? NULL : PySequence_Fast(chosen, "the records to settle: an iterable of them, or None for all");
    if ((!all && !fast) || !handle_ready(h->handle)) {
        Py_XDECREF(fast);
        return NULL;
    }
    Py_ssize_t *indices = PyMem_New(Py_ssize_t, (all ? h->count : PySequence_Fast_GET_SIZE(fast)) + 1);
    if (!indices)
        PyErr_NoMemory();
    else if (!choose(h, type, fast, indices, count)) {
        PyMem_Free(indices);
        indices = NULL;
    }
    Py_XDECREF(fast);
    return indices;
}

PyObject *item_new(PyTypeObject *type, struct holding *held, Py_ssize_t index)
{
    struct item *item = PyObject_New(struct item, type);
    if (!item)
        return NULL;
    item->held = (struct holding *)Py_NewRef(held);
    item->index = index;
    return (PyObject *)item;
}

void item_dealloc(PyObject *self)
{
    Py_DECREF(((struct item *)self)->held);
    PyObject_Free(self);
}

PyObject *holding_item(PyObject *self, Py_ssize_t index)
{
    struct holding *h = (struct holding *)self;
    if (index < 0 || index >= h->count) {
        PyErr_SetString(PyExc_IndexError, "there are not so many records");
        return NULL;
    }
    return item_new(h->leases ? &lease_type : &slot_type, h, index);
}
