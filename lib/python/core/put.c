/* put.c - what needs room: put, put_many, reserve, forward. Each tries, and if a limit refuses it waits for credits,
 * for as long as the caller allows; then the refusal is the exception, with `done`, how many records went in. */
#include "core.h"

static bool is_full(int why) { return why <= CVB_ESTAGE_FULL && why >= CVB_EMEMORY_FULL; }

/* Sleeps until there may be room again. False: an exception is set. */
static bool await_room(struct handle *handle, const char *what, int why, uint32_t stage, uint32_t source,
                       int64_t deadline_ns)
{
    if (!is_full(why)) {
        raise_error(handle, what, why);
        return false;
    }
    int result = wait_credits(handle, stage, source, deadline_ns);
    if (result == CVB_ETIMEDOUT)
        raise_error(handle, what, why);
    return result >= 0 && handle_ready(handle); /* a handler of a signal may have closed it */
}

/* How far it came stands in the exception. */
static PyObject *raise_with_done(Py_ssize_t done)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyObject *number = PyLong_FromSsize_t(done);
    if (!number || PyObject_SetAttrString(value, "done", number))
        PyErr_Clear(); /* not an exception of ours */
    Py_XDECREF(number);
    PyErr_Restore(type, value, traceback);
    return NULL;
}

static bool fill_record(struct cvb_record *record, PyObject *payload, Py_buffer *buffer, bool *used)
{
    Py_ssize_t length;
    *used = !PyBytes_CheckExact(payload);
    if (*used) {
        if (PyObject_GetBuffer(payload, buffer, PyBUF_SIMPLE))
            return false;
        record->payload = buffer->buf;
        length = buffer->len;
    } else {
        record->payload = PyBytes_AS_STRING(payload);
        length = PyBytes_GET_SIZE(payload);
    }
    record->length = length > UINT32_MAX ? UINT32_MAX : (uint32_t)length;
    return true;
}

/* bytes, or None: no header; to a forward that means the one that is there. False: an exception is set. */
static bool add_header(struct cvb_record *record, PyObject *header)
{
    char *bytes;
    Py_ssize_t length;
    if (header == Py_None)
        return true;
    if (PyBytes_AsStringAndSize(header, &bytes, &length))
        return false;
    record->header = bytes;
    record->header_length = length > UINT32_MAX ? UINT32_MAX : (uint32_t)length;
    return true;
}

/* The header and the position that a put may have besides. False: an exception is set. */
static bool add_to_record(struct cvb_record *record, PyObject *header, PyObject *position)
{
    record->position = PyLong_AsUnsignedLongLong(position);
    return !PyErr_Occurred() && add_header(record, header);
}

/* (stage, source, pipeline, payload, timeout[, header, position]) */
static PyObject *put(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    struct handle *handle = (struct handle *)self;
    struct cvb_record record = {0};
    uint32_t stage;
    Py_buffer buffer;
    bool used;
    int64_t deadline_ns;
    if (n != 5 && n != 7)
        return PyErr_Format(PyExc_TypeError, "put takes 5 or 7 arguments");
    if (!handle_stage(handle, args[0], &stage) || !deadline_of(args[4], &deadline_ns))
        return NULL;
    record.source = (uint32_t)PyLong_AsUnsignedLong(args[1]);
    record.pipeline = (uint32_t)PyLong_AsUnsignedLong(args[2]);
    if (PyErr_Occurred() || (n == 7 && !add_to_record(&record, args[5], args[6])) ||
        !fill_record(&record, args[3], &buffer, &used))
        return NULL;
    int error;
    bool good = true;
    while ((error = cvb_buffer_for_stage(handle->cvb, stage, &record)) && good)
        good = await_room(handle, "put", error, stage, record.source, deadline_ns);
    if (used)
        PyBuffer_Release(&buffer);
    if (!good)
        return NULL;
    Py_RETURN_NONE;
}

/* Payloads of a call: their records, and the buffers that are held meanwhile. */
struct many {
    PyObject *list, *headers; /* tuples, or NULL */
    Py_ssize_t count, buffers;
    struct cvb_record *records;
    Py_buffer *buffer;
};

static void many_free(struct many *m)
{
    for (Py_ssize_t i = 0; i < m->buffers; i++)
        PyBuffer_Release(&m->buffer[i]);
    PyMem_Free(m->buffer);
    PyMem_Free(m->records);
    Py_XDECREF(m->list);
    Py_XDECREF(m->headers);
}

static bool many_add(struct many *m, Py_ssize_t i)
{
    bool used;
    PyObject *payload = PySequence_Fast_GET_ITEM(m->list, i);
    if (!m->buffer && !PyBytes_CheckExact(payload) && !(m->buffer = PyMem_New(Py_buffer, m->count))) {
        PyErr_NoMemory();
        return false;
    }
    if (!fill_record(&m->records[i], payload, m->buffer ? &m->buffer[m->buffers] : NULL, &used))
        return false;
    m->buffers += used;
    return true;
}

/* A tuple of them, so that nobody changes the list meanwhile. */
static bool many_fill(struct many *m, PyObject *payloads, uint32_t source, uint32_t pipeline)
{
    *m = (struct many){.list = PySequence_Tuple(payloads)};
    if (!m->list)
        return false;
    m->count = PyTuple_GET_SIZE(m->list);
    m->records = PyMem_New(struct cvb_record, m->count + 1);
    if (!m->records)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; m->records && i < m->count; i++) {
        m->records[i] = (struct cvb_record){.source = source, .pipeline = pipeline};
        if (!many_add(m, i))
            return false;
    }
    return m->records;
}

/* Records with the payloads that leases have. */
static bool many_keep(struct many *m, const struct cvb_lease *leases, Py_ssize_t count)
{
    m->count = count;
    m->records = PyMem_New(struct cvb_record, count + 1);
    if (!m->records)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; m->records && i < count; i++)
        m->records[i] = (struct cvb_record){.payload = leases[i].payload, .length = leases[i].length};
    return m->records;
}

/* A tuple of what is given, or NULL for None. False: an exception is set. */
static bool tuple_of(PyObject *given, PyObject **tuple)
{
    *tuple = given == Py_None ? NULL : PySequence_Tuple(given);
    return given == Py_None || *tuple;
}

/* True if there are as many as records; else an exception is set. */
static bool one_each(Py_ssize_t given, const char *what, Py_ssize_t records)
{
    if (given != records)
        PyErr_Format(PyExc_ValueError, "%zd %s for %zd records", given, what, records);
    return given == records;
}

static bool many_add_headers(struct many *m)
{
    bool good = !m->headers || one_each(PyTuple_GET_SIZE(m->headers), "headers", m->count);
    for (Py_ssize_t i = 0; good && m->headers && i < m->count; i++)
        good = add_header(&m->records[i], PyTuple_GET_ITEM(m->headers, i));
    return good;
}

static bool many_add_positions(struct many *m, PyObject *positions)
{
    PyObject *numbers;
    if (!tuple_of(positions, &numbers))
        return false;
    bool good = !numbers || one_each(PyTuple_GET_SIZE(numbers), "positions", m->count);
    for (Py_ssize_t i = 0; good && numbers && i < m->count; i++) {
        m->records[i].position = PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(numbers, i));
        good = !PyErr_Occurred();
    }
    Py_XDECREF(numbers);
    return good;
}

/* (stage, source, pipeline, payloads, timeout[, headers, positions]): how many. */
static PyObject *put_many(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    PyObject *to, *payloads, *seconds, *headers = Py_None, *positions = Py_None;
    unsigned int source, pipeline;
    uint32_t stage;
    int64_t deadline_ns;
    if (!PyArg_ParseTuple(args, "OIIOO|OO", &to, &source, &pipeline, &payloads, &seconds, &headers, &positions) ||
        !handle_stage(handle, to, &stage) || !deadline_of(seconds, &deadline_ns))
        return NULL;
    struct many m;
    bool good = many_fill(&m, payloads, source, pipeline) && tuple_of(headers, &m.headers) && many_add_headers(&m) &&
                many_add_positions(&m, positions) && handle_ready(handle);
    Py_ssize_t done = 0, count = m.count;
    while (good && done < count) {
        int why = 0;
        int n = cvb_buffer_batch_for_stage(handle->cvb, stage, m.records + done, (size_t)(count - done), &why);
        done += n > 0 ? n : 0;
        if (done < count)
            good = await_room(handle, "put_many", n < 0 ? n : why, stage, source, deadline_ns);
    }
    many_free(&m);
    return good ? PyLong_FromSsize_t(done) : raise_with_done(done);
}

/* An array of numbers of so many bytes each, or none for None. False: an exception is set. */
static bool numbers_of(PyObject *given, Py_ssize_t bytes, const char *what, Py_buffer *numbers)
{
    *numbers = (Py_buffer){0};
    if (given == Py_None)
        return true;
    if (PyObject_GetBuffer(given, numbers, PyBUF_ND | PyBUF_FORMAT))
        return false;
    if (numbers->itemsize == bytes && numbers->ndim == 1)
        return true;
    PyErr_Format(PyExc_ValueError, "%s are an array of unsigned integers of %zd bytes each", what, bytes);
    return false;
}

/* Records of one buffer, and the arrays that go with it. */
struct flat {
    Py_buffer bytes, lengths, header_lengths, positions;
    struct cvb_packed left; /* what is not in yet */
    Py_ssize_t count;
};

static void flat_free(struct flat *f)
{
    PyBuffer_Release(&f->bytes);
    PyBuffer_Release(&f->lengths);
    PyBuffer_Release(&f->header_lengths);
    PyBuffer_Release(&f->positions);
}

static bool as_many(const struct flat *f, const Py_buffer *numbers)
{
    return !numbers->obj || numbers->shape[0] == f->count;
}

static bool flat_fill(struct flat *f, PyObject *bytes, PyObject *lengths, PyObject *header_lengths, PyObject *positions)
{
    *f = (struct flat){0};
    if (PyObject_GetBuffer(bytes, &f->bytes, PyBUF_SIMPLE) || !numbers_of(lengths, 4, "lengths", &f->lengths) ||
        !numbers_of(header_lengths, 4, "header lengths", &f->header_lengths) ||
        !numbers_of(positions, 8, "positions", &f->positions))
        return false;
    f->count = f->lengths.obj ? f->lengths.shape[0] : 0;
    if (!as_many(f, &f->header_lengths) || !as_many(f, &f->positions)) {
        PyErr_SetString(PyExc_ValueError, "there are not as many header lengths or positions as lengths");
        return false;
    }
    f->left.bytes = f->bytes.buf;
    f->left.size = (uint64_t)f->bytes.len;
    f->left.lengths = f->lengths.buf;
    f->left.header_lengths = f->header_lengths.buf;
    f->left.positions = f->positions.buf;
    return true;
}

/* n records are in. Another thread may have changed the numbers meanwhile, but no more bytes are left than there are.
 */
static void flat_go_on(struct cvb_packed *left, int n)
{
    uint64_t bytes = 0;
    for (int i = 0; i < n; i++)
        bytes += (uint64_t)left->lengths[i] + (left->header_lengths ? left->header_lengths[i] : 0);
    bytes = bytes < left->size ? bytes : left->size;
    left->bytes = (const char *)left->bytes + bytes;
    left->size -= bytes;
    left->lengths += n;
    left->header_lengths = left->header_lengths ? left->header_lengths + n : NULL;
    left->positions = left->positions ? left->positions + n : NULL;
}

/* (stage, source, pipeline, bytes, lengths, header_lengths, positions, timeout): how many. */
static PyObject *put_packed(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    PyObject *to, *bytes, *lengths, *header_lengths, *positions, *seconds;
    unsigned int source, pipeline;
    uint32_t stage;
    int64_t deadline_ns;
    if (!PyArg_ParseTuple(args, "OIIOOOOO", &to, &source, &pipeline, &bytes, &lengths, &header_lengths, &positions,
                          &seconds) ||
        !handle_stage(handle, to, &stage) || !deadline_of(seconds, &deadline_ns))
        return NULL;
    struct flat f;
    bool good = flat_fill(&f, bytes, lengths, header_lengths, positions) && handle_ready(handle);
    f.left.source = source;
    f.left.pipeline = pipeline;
    Py_ssize_t done = 0;
    while (good && done < f.count) {
        int why = 0;
        int n = cvb_put_packed(handle->cvb, stage, &f.left, (size_t)(f.count - done), &why);
        if (n > 0)
            flat_go_on(&f.left, n);
        done += n > 0 ? n : 0;
        if (done < f.count)
            good = await_room(handle, "put_packed", n < 0 ? n : why, stage, source, deadline_ns);
    }
    flat_free(&f);
    return good ? PyLong_FromSsize_t(done) : raise_with_done(done);
}

/* Forwards what is left of the leases; how many, or -1 with an exception. */
static Py_ssize_t send(struct holding *batch, uint32_t stage, const struct cvb_lease *leases,
                       const struct cvb_record *results, const Py_ssize_t *indices, Py_ssize_t count,
                       int64_t deadline_ns)
{
    struct handle *handle = batch->handle;
    Py_ssize_t done = 0;
    while (done < count) {
        int why = 0;
        for (Py_ssize_t i = done; i < count; i++)
            if (!holding_close_views(batch, indices[i]))
                return -1;
        size_t left = (size_t)(count - done);
        int n = results ? cvb_forward_records(handle->cvb, stage, leases + done, results + done, left, &why)
                        : cvb_forward(handle->cvb, stage, leases + done, left, &why);
        for (int i = 0; i < n; i++)
            holding_settled(batch, indices[done++]);
        uint32_t source = why == CVB_ESOURCE_FULL ? leases[done].source : CVB_NO_SOURCE;
        if (done < count && !await_room(handle, "forward", n < 0 ? n : why, stage, source, deadline_ns)) {
            raise_with_done(done);
            return -1;
        }
    }
    return done;
}

/* What is given in the place of the leases' payloads and headers. False: an exception is set. */
static bool make_results(struct many *results, const struct cvb_lease *leases, Py_ssize_t count)
{
    return one_each(results->list ? results->count : count, "payloads", count) &&
           (!results->headers || ((results->list || many_keep(results, leases, count)) && many_add_headers(results)));
}

static PyObject *forward_chosen(struct holding *batch, uint32_t stage, PyObject *chosen, struct many *results,
                                int64_t deadline_ns)
{
    Py_ssize_t count, sent = -1;
    Py_ssize_t *indices = holding_choose(batch, &lease_type, chosen, &count);
    struct cvb_lease *made = NULL, *leases = indices ? batch_together(batch, indices, count, &made) : NULL;
    if (leases && make_results(results, leases, count))
        sent = send(batch, stage, leases, results->records, indices, count, deadline_ns);
    PyMem_Free(made);
    PyMem_Free(indices);
    return sent < 0 ? NULL : PyLong_FromSsize_t(sent);
}

PyObject *batch_forward(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"stage", "payloads", "leases", "timeout", "headers", NULL};
    struct holding *batch = (struct holding *)self;
    PyObject *to, *payloads = Py_None, *chosen = Py_None, *seconds = Py_None, *headers = Py_None;
    uint32_t stage;
    int64_t deadline_ns;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|OO$OO", names, &to, &payloads, &chosen, &seconds, &headers) ||
        !handle_stage(batch->handle, to, &stage) || !deadline_of(seconds, &deadline_ns))
        return NULL;
    struct many results = {0};
    PyObject *sent = NULL;
    if ((payloads == Py_None || many_fill(&results, payloads, 0, 0)) && tuple_of(headers, &results.headers))
        sent = forward_chosen(batch, stage, chosen, &results, deadline_ns);
    many_free(&results);
    return sent;
}

/* Makes a reservation of at least one slot, waiting for room. */
static PyObject *reserve_slots(struct handle *handle, uint32_t stage, const struct cvb_record *shape, Py_ssize_t count,
                               int64_t deadline_ns)
{
    struct holding *r = holding_new(&reservation_type, handle, count, sizeof(struct cvb_slot));
    if (!r)
        return NULL;
    r->longest = shape->length;
    r->longest_header = shape->header_length;
    for (int why = 0; !r->count;) {
        int n = cvb_reserve(handle->cvb, stage, shape, r->slots, (size_t)count, &why);
        for (int i = 0; i < n; i++)
            r->slots[i].header_length = 0; /* until one is given; the bytes there are of a record before */
        if (n > 0)
            r->count = r->open = n;
        else if (!await_room(handle, "reserve", n < 0 ? n : why, stage, shape->source, deadline_ns)) {
            Py_DECREF(r);
            return NULL;
        }
    }
    return (PyObject *)r;
}

/* (stage, source, pipeline, length, header_length, count, timeout) */
static PyObject *reserve(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    struct cvb_record shape = {0};
    PyObject *to, *seconds;
    uint32_t stage;
    Py_ssize_t count;
    int64_t deadline_ns;
    if (!PyArg_ParseTuple(args, "OIIIInO", &to, &shape.source, &shape.pipeline, &shape.length, &shape.header_length,
                          &count, &seconds) ||
        !handle_stage(handle, to, &stage) || !deadline_of(seconds, &deadline_ns))
        return NULL;
    if (count < 1)
        return PyErr_Format(PyExc_ValueError, "a reservation has at least one slot");
    return reserve_slots(handle, stage, &shape, count, deadline_ns);
}

static struct cvb_record *taken_room(Py_ssize_t count, uint32_t longest, char **bytes)
{
    struct cvb_record *taken = PyMem_New(struct cvb_record, count);
    *bytes = (size_t)count > (size_t)PY_SSIZE_T_MAX / (longest + 1) ? NULL : PyMem_Malloc((size_t)count * longest + 1);
    if (taken && *bytes)
        return taken;
    PyMem_Free(taken);
    PyMem_Free(*bytes);
    return (struct cvb_record *)PyErr_NoMemory();
}

static PyObject *payload_of(void *taken, Py_ssize_t index)
{
    const struct cvb_record *r = (struct cvb_record *)taken + index;
    return PyBytes_FromStringAndSize(r->payload, r->length);
}

/* (stage, count): a list of bytes, the payloads, copied and acked at once. */
static PyObject *take(PyObject *self, PyObject *args)
{
    struct handle *handle = (struct handle *)self;
    struct cvb_settings settings;
    PyObject *from;
    uint32_t stage;
    Py_ssize_t count;
    char *bytes;
    if (!PyArg_ParseTuple(args, "On", &from, &count) || !handle_stage(handle, from, &stage))
        return NULL;
    if (count < 1)
        return PyErr_Format(PyExc_ValueError, "at least one record");
    int n = cvb_settings_of(handle->cvb, &settings);
    if (n)
        return raise_error(handle, "take", n);
    const uint32_t longest = settings.payload_size + settings.header_size;
    struct cvb_record *taken = taken_room(count, longest, &bytes);
    if (!taken)
        return NULL;
    n = cvb_take_batch(handle->cvb, stage, taken, (size_t)count, bytes, (size_t)count * longest);
    PyObject *list = n < 0 ? raise_error(handle, "take", n) : list_of(n, payload_of, taken);
    PyMem_Free(taken);
    PyMem_Free(bytes);
    return list;
}

PyMethodDef put_methods[] = {{"put", (PyCFunction)(void (*)(void))put, METH_FASTCALL, NULL},
                             {"put_many", put_many, METH_VARARGS, NULL},
                             {"put_packed", put_packed, METH_VARARGS, NULL},
                             {"reserve", reserve, METH_VARARGS, NULL},
                             {"take", take, METH_VARARGS, NULL},
                             {NULL, NULL, 0, NULL}};
