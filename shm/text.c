/* text.c - which bytes may be a name. */
#include "segment.h"

/* How many bytes follow the first one of a character; 9 if it cannot be a first one. */
static unsigned bytes_after(unsigned first)
{
    return first < 0x80                    ? 0
           : first >= 0xc2 && first < 0xe0 ? 1
           : (first & 0xf0) == 0xe0        ? 2
           : first >= 0xf0 && first < 0xf5 ? 3
                                           : 9;
}

bool cvb_is_text(const char *bytes, size_t n)
{
    const unsigned char *s = (const unsigned char *)bytes;
    for (size_t i = 0; i < n; i++) {
        unsigned c = s[i], more = bytes_after(c);
        if (c < 32 || c == 127 || more == 9 || i + more >= n)
            return false;
        if ((c == 0xe0 && s[i + 1] < 0xa0) || (c == 0xed && s[i + 1] > 0x9f) || (c == 0xf0 && s[i + 1] < 0x90) ||
            (c == 0xf4 && s[i + 1] > 0x8f) || (c == 0xc2 && s[i + 1] < 0xa0))
            return false;
        for (; more; more--)
            if ((s[++i] & 0xc0) != 0x80)
                return false;
    }
    return true;
}
