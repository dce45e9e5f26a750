/* envelope.c - what reads a bridge's header reads what is there, and never outside of it. */
#include <conveyor/envelope.h>
#include <criterion/criterion.h>
#include <stdlib.h>

/* origin, partition, key, two headers of one name, one without a value, id: as a library for MessagePack writes it */
static const uint8_t sample[] =
    "\x86\xa6origin\xa7kafka:t\xa9partition\xcd\x01\x02\xa9timestamp\xcf\x00\x00\x00\x01\x00\x00\x00\x05\xa3key\xc4"
    "\x03k\0y\xa7headers\x93\x92\xa1"
    "a\xc4\x01"
    "1\x92\xa1"
    "a\xc4\x01"
    "2\x92\xa1"
    "b\xc0\xa2id\xd9\x07t.5.7.9";
enum { LENGTH = sizeof sample - 1 };

static int is(const struct cvb_envelope_value *v, const char *bytes, uint32_t length)
{
    return v->length == length && !memcmp(v->bytes, bytes, length);
}

Test(envelope, entries_are_found)
{
    struct cvb_envelope_value v;
    cr_assert(cvb_envelope_find(sample, LENGTH, "origin", &v) && is(&v, "kafka:t", 7));
    cr_assert(cvb_envelope_find(sample, LENGTH, "partition", &v));
    cr_assert(v.number == 258 && !v.bytes);
    cr_assert(cvb_envelope_find(sample, LENGTH, "timestamp", &v));
    cr_assert_eq(v.number, (UINT64_C(1) << 32) + 5);
    cr_assert(cvb_envelope_find(sample, LENGTH, "key", &v) && is(&v, "k\0y", 3));
    cr_assert(cvb_envelope_find(sample, LENGTH, "id", &v) && is(&v, "t.5.7.9", 7));
    cr_assert_not(cvb_envelope_find(sample, LENGTH, "subject", &v));
    cr_assert_not(cvb_envelope_find(sample, LENGTH, "headers", &v), "a list is no value");
}

Test(envelope, a_name_may_come_more_than_once)
{
    struct cvb_envelope_value name, value;
    cr_assert(cvb_envelope_header(sample, LENGTH, 0, &name, &value) && is(&name, "a", 1) && is(&value, "1", 1));
    cr_assert(cvb_envelope_header(sample, LENGTH, 1, &name, &value) && is(&name, "a", 1) && is(&value, "2", 1));
    cr_assert(cvb_envelope_header(sample, LENGTH, 2, &name, &value) && is(&name, "b", 1) && !value.bytes);
    cr_assert_not(cvb_envelope_header(sample, LENGTH, 3, &name, &value));
}

static const char *const names[] = {"origin", "partition", "timestamp", "key", "headers", "id", "none"};

static void read_all(const uint8_t *bytes, uint32_t length)
{
    struct cvb_envelope_value name, v;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (cvb_envelope_find(bytes, length, names[i], &v) && v.bytes)
            cr_assert((const uint8_t *)v.bytes >= bytes && (const uint8_t *)v.bytes + v.length <= bytes + length);
    for (uint32_t i = 0; i < 4; i++)
        if (cvb_envelope_header(bytes, length, i, &name, &v) && v.bytes)
            cr_assert((const uint8_t *)v.bytes >= bytes && (const uint8_t *)v.bytes + v.length <= bytes + length);
}

/* Each in memory of just its length, so that a tool for memory errors sees a byte too far. */
Test(envelope, what_is_broken_off_or_changed_is_not_read_beyond_its_end)
{
    struct cvb_envelope_value v;
    for (uint32_t length = 0; length <= LENGTH; length++) {
        uint8_t *copy = malloc(length ? length : 1);
        memcpy(copy, sample, length);
        read_all(copy, length);
        if (length < LENGTH)
            cr_assert_not(cvb_envelope_find(copy, length, "id", &v));
        for (uint32_t at = 0; at < length; at++) {
            for (unsigned with = 0; with < 256; with++) {
                copy[at] = (uint8_t)with;
                read_all(copy, length);
            }
            copy[at] = sample[at];
        }
        free(copy);
    }
    cr_assert_not(cvb_envelope_find(NULL, 5, "id", &v));
    cr_assert_not(cvb_envelope_find("\x81\xa2id\xa1x", 6, "id", &v), "a map of somebody else's");
}
