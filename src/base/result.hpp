// Errors as values. What the world can do to us (network, disk, input, other nodes) is a Result.
//
//   CASTLE_TRY(const Lsn lsn, Lsn::parse(text));            takes the value or returns the error
//   CASTLE_CO_TRY(const Cluster c, co_await store.read());  the same in a coroutine
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/assert.hpp"

namespace castle {

// A code exists only if a caller reacts to it; the rest is text.
enum class Errc { not_found, conflict, unavailable, timed_out, cancelled, invalid, denied, failed };

// What a failed write may have done: surely nothing / perhaps all of it (read again before deciding anything).
enum class Effect { none, unknown };

std::string_view name_of(Errc code);

struct Error {
    Errc code = Errc::failed;
    std::string message;
    Effect effect = Effect::none;

    // Puts what was being done in front: "renew lease: etcd 10.0.0.7:2379: deadline exceeded".
    Error in(std::string_view doing) &&;
};

template <class T>  // The names are those of std::expected, which takes over once all our compilers have it.
class [[nodiscard]] Result {
public:
    Result() : Result(Error{}) {}  // what nobody has set is a failure
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    explicit operator bool() const { return state_.index() == 0; }
    T& operator*() & { return *checked<0>(); }
    const T& operator*() const& { return *checked<0>(); }
    T&& operator*() && { return std::move(*checked<0>()); }
    T* operator->() { return checked<0>(); }
    const T* operator->() const { return checked<0>(); }
    Error& error() & { return *checked<1>(); }
    const Error& error() const& { return *checked<1>(); }
    Error&& error() && { return std::move(*checked<1>()); }

private:
    template <std::size_t i>
    auto* checked() {
        CASTLE_ASSERT(state_.index() == i);
        return std::get_if<i>(&state_);
    }
    template <std::size_t i>
    auto* checked() const {
        CASTLE_ASSERT(state_.index() == i);
        return std::get_if<i>(&state_);
    }
    std::variant<T, Error> state_;
};

// The value of an operation that has none.
struct Done {};
using Status = Result<Done>;

}  // namespace castle

#define CASTLE_CAT_INNER(a, b) a##b
#define CASTLE_CAT(a, b) CASTLE_CAT_INNER(a, b)
#define CASTLE_TRY_WITH(keyword, temporary, declaration, ...) \
    auto temporary = (__VA_ARGS__);                           \
    if (!temporary) keyword std::move(temporary).error();     \
    declaration = *std::move(temporary)
#define CASTLE_TRY(declaration, ...) \
    CASTLE_TRY_WITH(return, CASTLE_CAT(castle_try_, __LINE__), declaration, __VA_ARGS__)
#define CASTLE_CO_TRY(declaration, ...) \
    CASTLE_TRY_WITH(co_return, CASTLE_CAT(castle_try_, __LINE__), declaration, __VA_ARGS__)
// For a Status, or when the value is not needed.
#define CASTLE_CHECK_WITH(keyword, temporary, ...)            \
    do {                                                      \
        auto temporary = (__VA_ARGS__);                       \
        if (!temporary) keyword std::move(temporary).error(); \
    } while (false)
#define CASTLE_CHECK(...) CASTLE_CHECK_WITH(return, CASTLE_CAT(castle_check_, __LINE__), __VA_ARGS__)
#define CASTLE_CO_CHECK(...) CASTLE_CHECK_WITH(co_return, CASTLE_CAT(castle_check_, __LINE__), __VA_ARGS__)
