// plus.cpp - the same from C++17: a handle that leaves by itself, leases that go back unless they were acked, and
// errors as exceptions. The headers are C++ as they stand.
// usage: plus SEGMENT STAGE WORD...   puts the words, takes them again, prints them
#include <conveyor/buffer.h>

#include <array>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace
{

int check(int result)
{
    if (result < 0)
        throw std::runtime_error(cvb_error_text(result));
    return result;
}

struct leave {
    void operator()(cvb_handle *handle) const { cvb_detach(handle); }
};
using buffer = std::unique_ptr<cvb_handle, leave>;

buffer attach(const std::string &segment)
{
    cvb_handle *handle = nullptr;
    check(cvb_attach(segment.c_str(), &handle));
    return buffer(handle);
}

uint32_t named(cvb_handle *handle, int (*intern)(cvb_handle *, const char *, uint32_t *), const char *name)
{
    uint32_t id = 0;
    check(intern(handle, name, &id));
    return id;
}

// Up to 32 leases: what is not acked when it goes out of scope, by an exception say, goes back into its stage.
class batch
{
  public:
    batch(cvb_handle *handle, uint32_t stage) : handle_(handle)
    {
        count_ = static_cast<size_t>(check(cvb_get_batch(handle, stage, leases_.data(), leases_.size())));
    }
    batch(const batch &) = delete;
    batch &operator=(const batch &) = delete;
    ~batch()
    {
        if (count_)
            cvb_return_to_buffer(handle_, leases_.data(), count_);
    }
    void ack()
    {
        check(count_ ? cvb_ack(handle_, leases_.data(), count_) : 0);
        count_ = 0;
    }
    const cvb_lease *begin() const { return leases_.data(); }
    const cvb_lease *end() const { return leases_.data() + count_; }

  private:
    cvb_handle *handle_;
    std::array<cvb_lease, 32> leases_{};
    size_t count_ = 0;
};

void run(const std::string &segment, const char *stage_name, char **words, int count)
{
    buffer b = attach(segment);
    const uint32_t stage = named(b.get(), cvb_stage, stage_name);
    const uint32_t source = named(b.get(), cvb_source, "plus");
    const uint32_t pipeline = named(b.get(), cvb_pipeline, "example");
    for (int i = 0; i < count; i++) {
        const std::string_view word = words[i];
        const cvb_record record{word.data(), static_cast<uint32_t>(word.size()), source, pipeline};
        check(cvb_buffer_for_stage(b.get(), stage, &record));
    }
    for (bool empty = false; !empty;) {
        batch taken(b.get(), stage);
        for (const cvb_lease &lease : taken)
            std::printf("%.*s\n", static_cast<int>(lease.length), static_cast<const char *>(lease.payload));
        empty = taken.begin() == taken.end();
        taken.ack();
    }
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    try {
        run(argv[1], argv[2], argv + 3, argc - 3);
        return 0;
    } catch (const std::exception &e) {
        std::fprintf(stderr, "plus: %s\n", e.what());
        return 1;
    }
}
