// Expected failures are values. Broken invariants abort: see check.h.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace weir::base {

enum class ErrorCode {
  kInvalidArgument,  // the caller's input is wrong; the message says what to change
  kNotFound,
  kAlreadyExists,
  kConflict,     // same identity, other content
  kTooLarge,     // over a configured limit
  kCorruption,   // stored bytes are not what was written
  kIo,           // the operating system refused; final for the component that met it
  kNoSpace,      // ENOSPC or EDQUOT; tried again later
  kBacklogFull,  // a bounded queue is full; tried again later
  kStopped,      // the component has stopped and says why
  kUnavailable,  // a dependency is away; tried again later
  kDeadline,     // the time allowed has passed
  kPermission,   // known, but not allowed
  kUnsupported,
};

// "no_space", "corruption", …: stable names, used in metrics and logs.
const char* Name(ErrorCode code);

struct Error {
  ErrorCode code;
  std::string message;  // a sentence for an operator; never a patient's data
};

// "corruption: segment 0 …"
std::string ToString(const Error& error);

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

using Status = Result<void>;

inline tl::unexpected<Error> Fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}
inline tl::unexpected<Error> Fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace weir::base

#define WEIR_CONCAT_INNER(a, b) a##b
#define WEIR_CONCAT(a, b) WEIR_CONCAT_INNER(a, b)

// Returns the error of `expr` (a Status or a Result) from the enclosing function.
#define WEIR_RETURN_IF_ERROR(expr)                               \
  do {                                                           \
    if (auto weir_status = (expr); !weir_status) {               \
      return ::weir::base::Fail(std::move(weir_status).error()); \
    }                                                            \
  } while (false)

// WEIR_ASSIGN_OR_RETURN(auto file, Open(path)): the value, or the enclosing function's error.
#define WEIR_ASSIGN_OR_RETURN(lhs, expr)                                               \
  auto WEIR_CONCAT(weir_result_, __LINE__) = (expr);                                   \
  if (!WEIR_CONCAT(weir_result_, __LINE__)) {                                          \
    return ::weir::base::Fail(std::move(WEIR_CONCAT(weir_result_, __LINE__)).error()); \
  }                                                                                    \
  lhs = std::move(*WEIR_CONCAT(weir_result_, __LINE__))
