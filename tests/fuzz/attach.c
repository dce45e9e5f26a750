/* attach.c - whatever bytes lie under a segment's name: attach gives one of its errors, or a handle that can be used.
 *
 * Input: how the file is made, and with what: raw bytes; a good file with bytes changed in its header, or anywhere, and
 * the header's checksum right again or not; a header with settings of one's own, right checksum and size, before an
 * empty body.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "segment.h"

enum { LARGEST = 1 << 20 }; /* what is larger would only take longer */

static char *image, *changed;
static size_t image_size;

static void remove_file(void) { unlink(fuzz_path()); }

static void make_image(void)
{
    struct cvb_settings s = fuzz_settings();
    struct cvb_geometry g;
    FUZZ_CHECK(!cvb_settings_complete(&s, NULL, 0), "the settings are no good");
    cvb_geometry_of(&s, &g);
    image_size = g.size;
    image = calloc(1, image_size);
    changed = malloc(image_size);
    FUZZ_CHECK(image && changed, "no memory");
    cvb_segment_format(image, &s);
    atexit(remove_file);
}

static void write_file(const void *bytes, size_t size, uint64_t whole)
{
    int fd = open(fuzz_path(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_CHECK(pwrite(fd, bytes, size, 0) == (ssize_t)size && !ftruncate(fd, (off_t)whole), "no file");
    close(fd);
}

static void seal(struct cvb_header *h) { h->checksum = cvb_hash(h, offsetof(struct cvb_header, checksum)); }

static void change_bytes(struct fuzz_input *in, uint32_t within)
{
    for (int i = 0; i < 64 && in->at < in->end; i++) {
        uint32_t at = fuzz_number(in, within > 65536 ? 3 : 2) % within;
        changed[at] = (char)fuzz_number(in, 1);
    }
}

static void change_settings(struct fuzz_input *in, struct cvb_header *h)
{
    enum { WORDS = sizeof h->settings / 4 };
    for (int i = 0; i < 32 && in->at < in->end; i++) {
        uint32_t value, which = fuzz_number(in, 1) % WORDS;
        value = fuzz_number(in, 1 + (which & 3));
        memcpy((char *)&h->settings + 4 * (size_t)which, &value, 4);
    }
}

/* The size that the settings give, if they are good and it is not too large to try. */
static uint64_t right_size(const struct cvb_header *h)
{
    struct cvb_settings s = h->settings;
    struct cvb_geometry g;
    if (!s.class_count || cvb_settings_complete(&s, NULL, 0))
        return 0;
    cvb_geometry_of(&s, &g);
    return g.size <= LARGEST ? g.size : 0;
}

static void make_file(struct fuzz_input *in)
{
    uint32_t how = fuzz_number(in, 1);
    struct cvb_header *h = (void *)changed;
    uint64_t whole = image_size;
    memcpy(changed, image, image_size);
    if ((how & 3) == 0) {
        write_file(in->at, (size_t)(in->end - in->at), (uint64_t)(in->end - in->at));
        return;
    }
    if ((how & 3) == 3) {
        change_settings(in, h);
        h->size = right_size(h);
        whole = h->size ? h->size : image_size;
        seal(h);
        write_file(changed, sizeof *h, whole);
        return;
    }
    uint32_t cut = how & 64 ? fuzz_number(in, 3) % image_size : (uint32_t)image_size;
    change_bytes(in, (how & 3) == 1 ? (uint32_t)sizeof *h : (uint32_t)image_size);
    if (how & 128)
        seal(h);
    write_file(changed, cut, cut);
}

static bool says_what_is_wrong(int error)
{
    return error == CVB_ETRUNCATED || error == CVB_EMAGIC || error == CVB_EVERSION || error == CVB_ELAYOUT ||
           error == CVB_ECORRUPT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, data + size};
    struct cvb_settings settings;
    struct cvb_handle *h = NULL;
    uint64_t bytes;
    if (!image)
        make_image();
    make_file(&in);
    fuzz_clock_ns = 1;
    fuzz_begin("look");
    int looked = cvb_segment_look(fuzz_segment(), &settings, &bytes);
    FUZZ_CHECK(!looked || says_what_is_wrong(looked), "it gave %d", looked);
    fuzz_begin("attach");
    int error = cvb_attach(fuzz_segment(), &h);
    FUZZ_CHECK(looked ? error == looked : !error || error == CVB_ECORRUPT || error == CVB_EHANDLES,
               "a look gave %d, and attach %d", looked, error);
    if (error)
        return 0;
    fuzz_forget();
    fuzz_use(h, &in, 16);
    fuzz_begin("detach");
    cvb_detach(h);
    return 0;
}
