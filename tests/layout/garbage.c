/* garbage.c - whatever lies under a segment's name, attaching to it gives the error that says what it is, and never a
 * crash: flipped headers, cut files, things that are no files, hostile settings behind a right checksum, no permission.
 */
#include "../support/support.h"
#include "layout.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *name;
static char path[128];
static struct cvb_header good;
static char *image;
static off_t image_size;

/* A tiny segment, and its bytes in memory. */
static void setup(void)
{
    struct cvb_settings s = small_settings(4, 4, 4);
    s.max_handles = 2;
    s.max_sources = 2;
    name = segment_name("garbage");
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    cvb_unlink(name);
    cr_assert_eq(cvb_create(name, &s), 0);
    int fd = open(path, O_RDONLY);
    image_size = lseek(fd, 0, SEEK_END);
    image = malloc((size_t)image_size);
    cr_assert_eq(pread(fd, image, (size_t)image_size, 0), image_size);
    memcpy(&good, image, sizeof good);
    close(fd);
}

static void teardown(void)
{
    free(image);
    remove(path);
}

TestSuite(garbage, .init = setup, .fini = teardown);

static void write_file(const void *header, off_t size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(pwrite(fd, image, (size_t)size, 0), size);
    if (header)
        cr_assert_eq(pwrite(fd, header, sizeof good, 0), (ssize_t)sizeof good);
    close(fd);
}

static int attach_once(void)
{
    struct cvb_handle *h = NULL;
    int error = cvb_attach(name, &h);
    if (!error)
        cvb_detach(h);
    else
        cr_assert_null(h, "a failed attach leaves no handle");
    return error;
}

static void seal(struct cvb_header *h) { h->checksum = cvb_hash(h, offsetof(struct cvb_header, checksum)); }

static int attach_to(const struct cvb_header *h)
{
    write_file(h, image_size);
    return attach_once();
}

/* What the header's byte at `at` must give when it is wrong. */
static int verdict_of_byte(size_t at)
{
    if (at < offsetof(struct cvb_header, version))
        return CVB_EMAGIC;
    if (at < offsetof(struct cvb_header, header_bytes))
        return CVB_EVERSION;
    if (at < offsetof(struct cvb_header, size))
        return CVB_ELAYOUT;
    return CVB_ECORRUPT;
}

Test(garbage, every_bit_of_the_header_counts, .timeout = 60)
{
    cr_assert_eq(attach_to(&good), 0, "the untouched bytes are a segment");
    for (size_t at = 0; at < sizeof good; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            struct cvb_header h = good;
            ((unsigned char *)&h)[at] ^= (unsigned char)(1u << bit);
            int error = attach_to(&h);
            cr_assert_eq(error, verdict_of_byte(at), "byte %zu bit %u: %s", at, bit, cvb_error_text(error));
        }
}

Test(garbage, cut_at_every_page_and_at_every_byte_of_the_header, .timeout = 60)
{
    for (off_t size = 0; size < image_size; size += size < (off_t)sizeof good + 8 ? 1 : CVB_PAGE / 2) {
        write_file(NULL, size < image_size ? size : image_size);
        int error = attach_once();
        cr_assert_eq(error, CVB_ETRUNCATED, "%ld bytes: %s", (long)size, cvb_error_text(error));
    }
    write_file(NULL, image_size - 1);
    cr_assert_eq(attach_once(), CVB_ETRUNCATED);
    write_file(NULL, image_size);
    cr_assert_eq(attach_once(), 0);
}

Test(garbage, other_version_other_layout)
{
    struct cvb_header h = good;
    h.version = CVB_LAYOUT_VERSION + 1;
    seal(&h);
    cr_assert_eq(attach_to(&h), CVB_EVERSION, "a newer one");
    h.version = 0;
    seal(&h);
    cr_assert_eq(attach_to(&h), CVB_EVERSION, "an older one");
    h = good;
    h.fingerprint ^= 1;
    seal(&h);
    cr_assert_eq(attach_to(&h), CVB_ELAYOUT);
    h = good;
    h.header_bytes += 8;
    seal(&h);
    cr_assert_eq(attach_to(&h), CVB_ELAYOUT);
    h = good;
    h.size += CVB_PAGE;
    seal(&h);
    cr_assert_eq(attach_to(&h), CVB_ECORRUPT, "a size that the settings do not give");
}

/* Each with a right checksum, in a file that is long enough for nothing else. */
#define HOSTILE(field, value)                                                                                          \
    {                                                                                                                  \
        offsetof(struct cvb_settings, field), value, #field " = " #value                                               \
    }
static const struct {
    size_t offset;
    uint32_t value;
    const char *text;
} hostile[] = {HOSTILE(max_total_records, 0),
               HOSTILE(max_total_records, UINT32_MAX),
               HOSTILE(max_total_records, 12000000),
               HOSTILE(max_per_stage, 0),
               HOSTILE(max_per_stage, UINT32_MAX),
               HOSTILE(max_per_source, 0),
               HOSTILE(max_per_source, UINT32_MAX),
               HOSTILE(payload_size, UINT32_MAX),
               HOSTILE(payload_size, 65),
               HOSTILE(max_stages, 0),
               HOSTILE(max_stages, 1),
               HOSTILE(max_stages, UINT32_MAX),
               HOSTILE(max_stages, 4095),
               HOSTILE(max_sources, 0),
               HOSTILE(max_sources, UINT32_MAX),
               HOSTILE(max_sources, 65535),
               HOSTILE(max_pipelines, 0),
               HOSTILE(max_pipelines, UINT32_MAX),
               HOSTILE(max_pipelines, 65535),
               HOSTILE(max_handles, 0),
               HOSTILE(max_handles, UINT32_MAX),
               HOSTILE(max_handles, 1023),
               HOSTILE(max_retries, UINT32_MAX),
               HOSTILE(max_retries, 255),
               HOSTILE(sealed_stages, 1000000),
               HOSTILE(header_size, 65537),
               HOSTILE(class_count, 0),
               HOSTILE(class_count, 5),
               HOSTILE(class_count, UINT32_MAX),
               HOSTILE(class_count, 2),
               HOSTILE(classes[0].bytes, 0),
               HOSTILE(classes[0].bytes, 63),
               HOSTILE(classes[0].bytes, UINT32_MAX),
               HOSTILE(classes[0].bytes, 0x7fffffff),
               HOSTILE(classes[0].count, 0),
               HOSTILE(classes[0].count, UINT32_MAX),
               HOSTILE(classes[0].count, 14000000),
               HOSTILE(classes[0].count, 0x80000000),
               HOSTILE(mode, UINT32_MAX),
               HOSTILE(mode, 010600)};

Test(garbage, hostile_settings_behind_a_right_checksum)
{
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        struct cvb_header h = good;
        memcpy((char *)&h.settings + hostile[i].offset, &hostile[i].value, sizeof(uint32_t));
        seal(&h);
        int error = attach_to(&h);
        cr_assert_eq(error, CVB_ECORRUPT, "%s: %s", hostile[i].text, cvb_error_text(error));
    }
    static const double thresholds[] = {0, -1, 1.5, 0.0 / 0.0, 1.0 / 0.0};
    for (size_t i = 0; i < 5; i++) {
        struct cvb_header h = good;
        h.settings.backpressure_threshold = thresholds[i];
        seal(&h);
        cr_assert_eq(attach_to(&h), CVB_ECORRUPT, "backpressure_threshold %f", thresholds[i]);
        h = good;
        h.settings.resume_threshold = thresholds[i] > 0 || thresholds[i] < 0 ? thresholds[i] : 0.0 / 0.0;
        seal(&h);
        cr_assert_eq(attach_to(&h), CVB_ECORRUPT, "resume_threshold %f", thresholds[i]);
    }
}

/* A class of almost 4 GiB passes no bound of its own: the size must be seen not to fit the file. */
Test(garbage, huge_geometry_in_a_small_file)
{
    struct cvb_header h = good;
    h.settings.classes[0].bytes = 1u << 20;
    h.settings.classes[0].count = 13000000;
    struct cvb_geometry g;
    cvb_geometry_of(&h.settings, &g);
    h.size = g.size;
    seal(&h);
    int error = attach_to(&h);
    cr_assert(error == CVB_ETRUNCATED || error == CVB_ECORRUPT, "%s", cvb_error_text(error));
}

Test(garbage, things_that_are_no_segments)
{
    static const char text[] = "#!/bin/sh\necho this is a script, and longer than a header's first eight bytes\n";
    remove(path);
    cr_assert_eq(attach_once(), CVB_ENOENT);
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_eq(attach_once(), CVB_EMAGIC, "a directory");
    cr_assert_eq(rmdir(path), 0);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_eq(attach_once(), CVB_EMAGIC, "a FIFO, which must not block either");
    remove(path);
    cr_assert_eq(symlink("/dev/zero", path), 0);
    cr_assert_eq(attach_once(), CVB_EMAGIC, "a symbolic link");
    remove(path);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    cr_assert_eq(attach_once(), CVB_ETRUNCATED, "an empty file");
    cr_assert_eq(ftruncate(fd, 1 << 20), 0);
    cr_assert_eq(attach_once(), CVB_EMAGIC, "zeros");
    cr_assert_eq(ftruncate(fd, 0), 0);
    cr_assert_eq(pwrite(fd, text, sizeof text, 0), (ssize_t)sizeof text);
    cr_assert_eq(attach_once(), CVB_EMAGIC, "a script");
    close(fd);
}

Test(garbage, a_longer_file_is_still_the_segment)
{
    cr_assert_eq(truncate(path, image_size + 12345), 0);
    cr_assert_eq(attach_once(), 0);
}

/* As user nobody, where root's rights do not help. */
static int attach_as_nobody(void *unused)
{
    (void)unused;
    if (!geteuid() && (setgid(65534) || setuid(65534)))
        return 100;
    struct cvb_handle *h;
    return -cvb_attach(name, &h);
}

Test(garbage, no_permission)
{
    cr_assert_eq(chmod(path, geteuid() ? 0 : 0600), 0);
    cr_assert_eq(reap(spawn(attach_as_nobody, NULL)), -CVB_EPERM);
    cr_assert_eq(chmod(path, 0444), 0);
    cr_assert_eq(reap(spawn(attach_as_nobody, NULL)), -CVB_EPERM, "to read is not enough");
    cr_assert_eq(chmod(path, 0666), 0);
    cr_assert_eq(reap(spawn(attach_as_nobody, NULL)), 0);
}
