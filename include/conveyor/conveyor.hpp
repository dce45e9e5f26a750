// conveyor.hpp - conveyor for C++17: handles, batches and reservations that clean up by themselves. Header only.
//
//     conveyor::buffer buffer = conveyor::buffer::attach("orders");
//     const auto stage = buffer.stage("filter");
//     while (buffer.wait_records(stage)) {
//         conveyor::batch<64> batch = buffer.get<64>(stage);
//         for (const cvb_lease &lease : batch)
//             work(conveyor::text(lease));
//         batch.ack();                      // what an exception leaves is returned: it failed
//     }
//
// Each function is the C function of its name (the other headers here say what it does, who may call it beside whom,
// and which errors there are), with two differences. What a limit refuses is a result, `pushed`, not an error, for it
// is part of a stream's life; whatever else fails is an exception, conveyor::error. And the try_ functions throw
// nothing: they return a result<T>, which holds a value or an error. No function allocates or keeps a lock of its own.
//
// A moved-from object is empty: it may be destroyed or assigned to.
#ifndef CONVEYOR_CONVEYOR_HPP
#define CONVEYOR_CONVEYOR_HPP

#include <conveyor/buffer.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#if __cplusplus >= 202002L
#include <span>
#endif

namespace conveyor
{

// A negative enum cvb_error, and its sentence.
class error : public std::runtime_error
{
  public:
    explicit error(int code) : std::runtime_error(cvb_error_text(code)), code_(code) {}
    int code() const noexcept { return code_; }

  private:
    int code_;
};

// A value, or an error.
template <typename T> class [[nodiscard]] result
{
  public:
    result(T value) noexcept : value_(std::move(value)) {}
    static result failed(int code) noexcept
    {
        result r{T{}};
        r.error_ = code;
        return r;
    }
    explicit operator bool() const noexcept { return !error_; }
    int error() const noexcept { return error_; }
    T &value() &
    {
        check();
        return value_;
    }
    T &&value() &&
    {
        check();
        return std::move(value_);
    }
    T &operator*() noexcept { return value_; } // only of one that has a value

  private:
    void check() const
    {
        if (error_)
            throw conveyor::error(error_);
    }
    T value_;
    int error_ = 0;
};

// How many of the records went, and what refused the next one: one of the CVB_E..._FULL, or 0. Of a call that waits:
// what ended it, such as CVB_ETIMEDOUT.
struct pushed {
    std::size_t count = 0;
    int refused = 0;
};

inline bool is_full(int code) noexcept { return code <= CVB_ESTAGE_FULL && code >= CVB_EMEMORY_FULL; }

inline int check(int code)
{
    if (code < 0)
        throw error(code);
    return code;
}

namespace detail
{

// What the C functions of puts and forwards tell: a count or an error, and why it was cut short.
inline result<pushed> told(int count, int why) noexcept
{
    if (count < 0 && !is_full(count))
        return result<pushed>::failed(count);
    if (why && !is_full(why) && count <= 0)
        return result<pushed>::failed(why);
    return pushed{count < 0 ? 0 : static_cast<std::size_t>(count), count < 0 ? count : why};
}

// The same of those that wait: their time may be over.
inline pushed waited(int count, int why)
{
    if (count < 0 && count != CVB_ETIMEDOUT)
        throw error(count);
    return pushed{count < 0 ? 0 : static_cast<std::size_t>(count), why};
}

inline std::int64_t nanoseconds(std::optional<std::chrono::nanoseconds> timeout) noexcept
{
    return timeout ? std::max<std::int64_t>(timeout->count(), 0) : -1;
}

} // namespace detail

inline std::string_view text(const cvb_lease &lease) noexcept
{
    return {static_cast<const char *>(lease.payload), lease.length};
}

// The opaque bytes beside the payload; empty if there are none.
inline std::string_view header(const cvb_lease &lease) noexcept
{
    return {static_cast<const char *>(lease.header), lease.header_length};
}

// position: above that of the source's record before it; 0: it has none. conveyor/progress.h.
inline cvb_record record(std::string_view payload, std::uint32_t source, std::uint32_t pipeline,
                         std::uint64_t position = 0) noexcept
{
    cvb_record made{};
    made.position = position;
    made.payload = payload.data();
    made.length = static_cast<std::uint32_t>(payload.size());
    made.source = source;
    made.pipeline = pipeline;
    return made;
}

// The same record with a header, which may be empty; header_size bounds it.
inline cvb_record with_header(cvb_record record, std::string_view header) noexcept
{
    record.header = header.data() ? header.data() : "";
    record.header_length = static_cast<std::uint32_t>(header.size());
    return record;
}

#if __cplusplus >= 202002L
inline std::span<const std::byte> bytes(const cvb_lease &lease) noexcept
{
    return {static_cast<const std::byte *>(lease.payload), lease.length};
}

inline std::span<std::byte> bytes(const cvb_slot &slot) noexcept
{
    return {static_cast<std::byte *>(slot.payload), slot.length};
}
#endif

// Up to N leases. What is neither acked, forwarded nor released when it goes away is returned: it failed.
template <std::size_t N> class batch
{
  public:
    batch() noexcept {}
    batch(batch &&other) noexcept { take(other); }
    batch &operator=(batch &&other) noexcept
    {
        if (this != &other) {
            drop();
            take(other);
        }
        return *this;
    }
    ~batch() { drop(); }

    std::size_t size() const noexcept { return count_; }
    bool empty() const noexcept { return !count_; }
    const cvb_lease *data() const noexcept { return leases_.data() + first_; }
    const cvb_lease *begin() const noexcept { return data(); }
    const cvb_lease *end() const noexcept { return data() + count_; }
    const cvb_lease &operator[](std::size_t i) const noexcept { return data()[i]; }
#if __cplusplus >= 202002L
    std::span<const cvb_lease> leases() const noexcept { return {data(), count_}; }
#endif

    // Moves the first lease out, to be settled by itself; empty if there is none.
    batch<1> pop_front() noexcept
    {
        batch<1> one;
        if (!count_)
            return one;
        one.handle_ = handle_;
        one.leases_[0] = leases_[first_++];
        one.count_ = 1;
        count_--;
        return one;
    }

    void ack() { settle(cvb_ack); }
    void return_to_buffer() { settle(cvb_return_to_buffer); }
    // They failed, and come again when so many milliseconds are over.
    void return_after(std::uint32_t delay_ms)
    {
        settle([delay_ms](cvb_handle *h, const cvb_lease *leases, std::size_t count) {
            return cvb_return_after(h, leases, count, delay_ms);
        });
    }
    void release() { settle(cvb_release); }

    // Sends the longest prefix that fits on, with new payloads if `results` (as many as leases) is not null. What is
    // left stays in the batch.
    result<pushed> try_forward(std::uint32_t stage, const cvb_record *results = nullptr) noexcept
    {
        int why = 0;
        if (!count_)
            return pushed{};
        const int n = results ? cvb_forward_records(handle_, stage, data(), results, count_, &why)
                              : cvb_forward(handle_, stage, data(), count_, &why);
        if (n > 0) {
            first_ += static_cast<std::size_t>(n);
            count_ -= static_cast<std::size_t>(n);
        }
        return detail::told(n, why);
    }
    pushed forward(std::uint32_t stage, const cvb_record *results = nullptr)
    {
        return try_forward(stage, results).value();
    }
    // Sends all on, and waits for room; what is left when the time is over stays in the batch.
    pushed forward_wait(std::uint32_t stage, const cvb_record *results = nullptr,
                        std::optional<std::chrono::nanoseconds> timeout = {})
    {
        int why = 0;
        if (!count_)
            return pushed{};
        const std::int64_t ns = detail::nanoseconds(timeout);
        const int n = results ? cvb_forward_records_wait(handle_, stage, data(), results, count_, ns, &why)
                              : cvb_forward_wait(handle_, stage, data(), count_, ns, &why);
        if (n > 0) {
            first_ += static_cast<std::size_t>(n);
            count_ -= static_cast<std::size_t>(n);
        }
        return detail::waited(n, why);
    }

  private:
    friend class buffer;
    template <std::size_t> friend class batch;

    template <typename How> void settle(How how)
    {
        if (count_)
            check(how(handle_, data(), count_));
        count_ = 0;
    }
    void drop() noexcept
    {
        if (count_)
            cvb_return_to_buffer(handle_, data(), count_);
        count_ = 0;
    }
    void take(batch &other) noexcept
    {
        handle_ = other.handle_;
        first_ = 0;
        count_ = std::exchange(other.count_, 0);
        for (std::size_t i = 0; i < count_; i++)
            leases_[i] = other.leases_[other.first_ + i];
    }

    cvb_handle *handle_ = nullptr;
    std::size_t first_ = 0, count_ = 0;
    std::array<cvb_lease, N> leases_; // the first `count_` from `first_` on
};

// Up to N slots. What is not published when it goes away is canceled.
template <std::size_t N> class reservation
{
  public:
    reservation() noexcept {}
    reservation(reservation &&other) noexcept { take(other); }
    reservation &operator=(reservation &&other) noexcept
    {
        if (this != &other) {
            cancel();
            take(other);
        }
        return *this;
    }
    ~reservation() { cancel(); }

    std::size_t size() const noexcept { return count_; }
    bool empty() const noexcept { return !count_; }
    int refused() const noexcept { return refused_; } // what refused more of them, or 0
    cvb_slot *begin() noexcept { return slots_.data(); }
    cvb_slot *end() noexcept { return slots_.data() + count_; }
    cvb_slot &operator[](std::size_t i) noexcept { return slots_[i]; }

    void publish()
    {
        if (count_)
            check(cvb_publish(handle_, slots_.data(), count_));
        count_ = 0;
    }
    void cancel() noexcept
    {
        if (count_)
            cvb_cancel(handle_, slots_.data(), count_);
        count_ = 0;
    }

  private:
    friend class buffer;

    void take(reservation &other) noexcept
    {
        handle_ = other.handle_;
        refused_ = other.refused_;
        count_ = std::exchange(other.count_, 0);
        for (std::size_t i = 0; i < count_; i++)
            slots_[i] = other.slots_[i];
    }

    cvb_handle *handle_ = nullptr;
    std::size_t count_ = 0;
    int refused_ = 0;
    std::array<cvb_slot, N> slots_;
};

// A seat in a segment, left when it goes away. One thread at a time uses it, but for wake(). Its batches and
// reservations must go first.
class buffer
{
  public:
    static buffer attach(const std::string &name) { return buffer(name, cvb_attach); }
    static buffer observe(const std::string &name) { return buffer(name, cvb_observe); }
    static void create(const std::string &name, const cvb_settings *settings = nullptr)
    {
        check(cvb_create(name.c_str(), settings));
    }
    static cvb_settings defaults() noexcept
    {
        cvb_settings settings;
        cvb_settings_init(&settings);
        return settings;
    }

    buffer() noexcept = default;
    buffer(buffer &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    buffer &operator=(buffer &&other) noexcept
    {
        if (this != &other) {
            leave();
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    ~buffer() { leave(); }

    cvb_handle *get() const noexcept { return handle_; } // for the C functions
    explicit operator bool() const noexcept { return handle_; }

    std::uint32_t stage(const std::string &name) { return named(cvb_stage, name); }
    std::uint32_t source(const std::string &name) { return named(cvb_source, name); }
    std::uint32_t pipeline(const std::string &name) { return named(cvb_pipeline, name); }
    std::string stage_name(std::uint32_t id) { return name_of(cvb_stage_name, id); }
    std::string source_name(std::uint32_t id) { return name_of(cvb_source_name, id); }
    std::string pipeline_name(std::uint32_t id) { return name_of(cvb_pipeline_name, id); }

    result<pushed> try_put(std::uint32_t stage, const cvb_record *records, std::size_t count) noexcept
    {
        int why = 0;
        const int n = cvb_buffer_batch_for_stage(handle_, stage, records, count, &why);
        return detail::told(n, why);
    }
    pushed put(std::uint32_t stage, const cvb_record *records, std::size_t count)
    {
        int why = 0;
        const int n = cvb_buffer_batch_for_stage(handle_, stage, records, count, &why);
        return n > 0 ? pushed{static_cast<std::size_t>(n), why} : detail::told(n, why).value();
    }
    pushed put(std::uint32_t stage, const cvb_record &one) { return put(stage, &one, 1); }

    // Records that lie one behind the other in one buffer.
    result<pushed> try_put_packed(std::uint32_t stage, const cvb_packed &packed, std::size_t count) noexcept
    {
        int why = 0;
        const int n = cvb_put_packed(handle_, stage, &packed, count, &why);
        return detail::told(n, why);
    }
    pushed put_packed(std::uint32_t stage, const cvb_packed &packed, std::size_t count)
    {
        return try_put_packed(stage, packed, count).value();
    }
#if __cplusplus >= 202002L
    pushed put(std::uint32_t stage, std::span<const cvb_record> records)
    {
        return put(stage, records.data(), records.size());
    }
#endif

    // Puts all of them, and waits for room. Fewer if the time was over, or by wake().
    pushed put_wait(std::uint32_t stage, const cvb_record *records, std::size_t count,
                    std::optional<std::chrono::nanoseconds> timeout = {})
    {
        int why = 0;
        const int n = cvb_put_wait(handle_, stage, records, count, detail::nanoseconds(timeout), &why);
        return detail::waited(n, why);
    }

    // Up to N slots (at most `count`) of records of `shape`'s length.
    template <std::size_t N> reservation<N> reserve(std::uint32_t stage, const cvb_record &shape, std::size_t count = N)
    {
        reservation<N> r;
        r.handle_ = handle_;
        const int n = cvb_reserve(handle_, stage, &shape, r.slots_.data(), count < N ? count : N, &r.refused_);
        const pushed made = detail::told(n, r.refused_).value();
        r.count_ = made.count;
        r.refused_ = made.refused;
        return r;
    }

    // Up to N leases; empty if there are none.
    template <std::size_t N> batch<N> get(std::uint32_t stage)
    {
        batch<N> b;
        b.handle_ = handle_;
        b.count_ = static_cast<std::size_t>(check(cvb_get_batch(handle_, stage, b.leases_.data(), N)));
        return b;
    }

    // Up to N leases, as soon as there is one; empty if the time was over.
    template <std::size_t N>
    batch<N> get_wait(std::uint32_t stage, std::optional<std::chrono::nanoseconds> timeout = {})
    {
        batch<N> b;
        b.handle_ = handle_;
        const int n = cvb_get_wait(handle_, stage, b.leases_.data(), N, detail::nanoseconds(timeout));
        b.count_ = n == CVB_ETIMEDOUT ? 0 : static_cast<std::size_t>(check(n));
        return b;
    }

    // True if there are records; false if the time was over. CVB_EINTERRUPTED (wake) is an error.
    bool wait_records(std::uint32_t stage, std::optional<std::chrono::nanoseconds> timeout = {})
    {
        return wait_records(&stage, 1, timeout).has_value();
    }
    // Which of the stages has records.
    std::optional<std::size_t> wait_records(const std::uint32_t *stages, std::size_t count,
                                            std::optional<std::chrono::nanoseconds> timeout = {})
    {
        const int n = cvb_wait_records(handle_, stages, count, detail::nanoseconds(timeout));
        if (n == CVB_ETIMEDOUT)
            return {};
        return static_cast<std::size_t>(check(n));
    }
    bool wait_credits(std::uint32_t stage, std::uint32_t source, std::optional<std::chrono::nanoseconds> timeout = {})
    {
        const int n = cvb_wait_credits(handle_, stage, source, detail::nanoseconds(timeout));
        return n != CVB_ETIMEDOUT && check(n) == 0;
    }
    // How many records would be let in now.
    std::int64_t room(std::uint32_t stage, std::uint32_t source)
    {
        const std::int64_t n = cvb_room(handle_, stage, source);
        return n < 0 ? check(static_cast<int>(n)) : n;
    }
    bool wait_room(std::uint32_t stage, std::uint32_t source, std::optional<std::chrono::nanoseconds> timeout = {})
    {
        const int n = cvb_wait_room(handle_, stage, source, detail::nanoseconds(timeout));
        return n != CVB_ETIMEDOUT && check(n) == 0;
    }
    void wake() { check(cvb_wake(handle_)); }

    // The position behind which a connector of the source goes on; CVB_EBUSY while another one lives: cvb_source_open.
    std::uint64_t open_source(std::uint32_t source)
    {
        std::uint64_t accepted = 0;
        check(cvb_source_open(handle_, source, &accepted));
        return accepted;
    }
    // Gives it up for another handle, while this one lives: cvb_source_close.
    void close_source(std::uint32_t source) { check(cvb_source_close(handle_, source)); }
    // Gives up the name of a source that nobody uses, and all that was told of it: cvb_source_retire.
    void retire_source(std::uint32_t source) { check(cvb_source_retire(handle_, source)); }
    cvb_progress progress(std::uint32_t source)
    {
        cvb_progress found;
        check(cvb_source_progress(handle_, source, &found));
        return found;
    }
    // False if the time was over before all up to the position had left the segment for good.
    bool wait_settled(std::uint32_t source, std::uint64_t position,
                      std::optional<std::chrono::nanoseconds> timeout = {})
    {
        const int n = cvb_wait_settled(handle_, source, position, detail::nanoseconds(timeout));
        return n != CVB_ETIMEDOUT && check(n) == 0;
    }

    struct cvb_backpressure backpressure(std::uint32_t stage, std::uint32_t source)
    {
        struct cvb_backpressure b;
        check(::cvb_backpressure(handle_, stage, source, &b));
        return b;
    }

    // The limit of all records, of a stage, or of a source.
    void set_limit(std::uint32_t limit, std::uint32_t stage = CVB_NO_STAGE, std::uint32_t source = CVB_NO_SOURCE)
    {
        check(cvb_set_limit(handle_, stage, source, limit));
    }
    std::uint32_t limit_of(std::uint32_t stage = CVB_NO_STAGE, std::uint32_t source = CVB_NO_SOURCE)
    {
        const std::int64_t n = cvb_limit_of(handle_, stage, source);
        check(n < 0 ? static_cast<int>(n) : 0);
        return static_cast<std::uint32_t>(n);
    }
    // A signal by hand, to all sources (CVB_NO_STAGE, CVB_NO_SOURCE), to those of a stage, or to a source: cvb_signal.
    void signal(std::uint32_t stage, std::uint32_t source, enum cvb_signal signal, std::uint32_t delay_ms = 0,
                const std::string &reason = {})
    {
        check(::cvb_signal(handle_, stage, source, signal, delay_ms, reason.c_str()));
    }
    struct cvb_given signal_of(std::uint32_t stage, std::uint32_t source)
    {
        struct cvb_given given;
        check(cvb_signal_of(handle_, stage, source, &given));
        return given;
    }
    // Stops the deliveries of a stage, or lets it go again: cvb_hold_stage.
    void hold(std::uint32_t stage, bool on = true, const std::string &reason = {})
    {
        check(cvb_hold_stage(handle_, stage, on, reason.c_str()));
    }
    struct cvb_given hold_of(std::uint32_t stage)
    {
        struct cvb_given given;
        check(cvb_hold_of(handle_, stage, &given));
        return given;
    }
    // The next event, if there is one; the cursor begins with 0.
    std::optional<struct cvb_event> next_event(std::uint64_t &cursor)
    {
        struct cvb_event event;
        if (!check(cvb_event_next(handle_, &cursor, &event, nullptr)))
            return {};
        return event;
    }

  private:
    buffer(const std::string &name, int (*join)(const char *, cvb_handle **)) { check(join(name.c_str(), &handle_)); }

    std::uint32_t named(int (*intern)(cvb_handle *, const char *, std::uint32_t *), const std::string &name)
    {
        std::uint32_t id = 0;
        check(intern(handle_, name.c_str(), &id));
        return id;
    }
    std::string name_of(int (*get)(cvb_handle *, std::uint32_t, char *), std::uint32_t id)
    {
        char name[CVB_NAME_MAX + 1];
        check(get(handle_, id, name));
        return name;
    }
    void leave() noexcept
    {
        if (handle_)
            cvb_detach(handle_);
        handle_ = nullptr;
    }

    cvb_handle *handle_ = nullptr;
};

// A descriptor for a loop of one's own that says what there is: conveyor/notify.h.
class notifier
{
  public:
    static notifier create(const std::string &name)
    {
        notifier n;
        check(cvb_notify_create(name.c_str(), &n.notifier_));
        return n;
    }
    notifier() noexcept = default;
    notifier(notifier &&other) noexcept : notifier_(std::exchange(other.notifier_, nullptr)) {}
    notifier &operator=(notifier &&other) noexcept
    {
        if (this != &other) {
            close();
            notifier_ = std::exchange(other.notifier_, nullptr);
        }
        return *this;
    }
    ~notifier() { close(); }

    int fd() const noexcept { return cvb_notify_fd(notifier_); }
    int watch(const cvb_watch &what) { return check(cvb_notify_watch(notifier_, &what)); }
    std::size_t fired(cvb_watch *told, std::size_t count)
    {
        return static_cast<std::size_t>(check(cvb_notify_fired(notifier_, told, count)));
    }
    void arm(int id) { check(cvb_notify_arm(notifier_, id)); }
    void position(int id, std::uint64_t settled) { check(cvb_notify_position(notifier_, id, settled)); }
    void unwatch(int id) { check(cvb_notify_unwatch(notifier_, id)); }

  private:
    void close() noexcept
    {
        if (notifier_)
            cvb_notify_close(notifier_);
        notifier_ = nullptr;
    }

    cvb_notifier *notifier_ = nullptr;
};

} // namespace conveyor

#endif
