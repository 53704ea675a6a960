// What an entry of the ring carries to its completion: an operation, and whose it is.
#pragma once

#include <liburing.h>

#include <cstdint>

#include "net/server/transport.h"

namespace weir::net {

enum class UringOperation : uint8_t {
  kWake,
  kAccept,
  kAcceptable,  // somebody waits to be accepted
  kReceive,
  kSend,
  kWritable,
  kCancel,  // only completes when it found nothing to cancel
};

// In place of a connection's name, for what belongs to none.
inline constexpr ConnectionId kNoConnection = UINT32_MAX;

inline uint64_t UringTag(UringOperation operation, ConnectionId id) {
  return static_cast<uint64_t>(operation) << 32 | id;
}
inline UringOperation OperationOf(const io_uring_cqe& completion) {
  return static_cast<UringOperation>(completion.user_data >> 32);
}
inline ConnectionId ConnectionOf(const io_uring_cqe& completion) {
  return static_cast<ConnectionId>(completion.user_data);
}
inline bool IsLast(const io_uring_cqe& completion) {
  return !(completion.flags & IORING_CQE_F_MORE);
}

// Ends what carries the tag. It completes with ECANCELED, if nothing else came first.
inline void PrepareCancel(io_uring_sqe& entry, uint64_t tag) {
  io_uring_prep_cancel64(&entry, tag, 0);
  entry.flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(&entry,
                          UringTag(UringOperation::kCancel, static_cast<ConnectionId>(tag)));
}

}  // namespace weir::net
