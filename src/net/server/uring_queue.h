// An io_uring and the buffers that its receives share: set-up, submission, completions. It knows
// nothing of connections.
//
// Set up by any thread; from the first submission on used by one thread alone, as the kernel is
// told where it can profit from that (SINGLE_ISSUER and DEFER_TASKRUN: completions are only worked
// off when that thread asks for them, so that nothing interrupts it).
//
// Bounds: kBuffers receive buffers of kBufferBytes, whatever the number of connections; a full
// submission queue is submitted; what the completion queue cannot take waits in the kernel until
// there is room (overflowing()).
#pragma once

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"

namespace weir::net {

class UringQueue {
 public:
  // A turn's arrivals of a busy loop: 1024 × 4 KiB = 4 MiB, of which a request touches its own
  // size.
  static constexpr unsigned kBuffers = 1024;
  static constexpr size_t kBufferBytes = 4096;
  static constexpr uint16_t kBufferGroup = 1;

  // kUnsupported: this kernel lacks something, or may not be asked (seccomp, sysctl).
  static base::Result<std::unique_ptr<UringQueue>> Create();
  ~UringQueue();
  UringQueue(const UringQueue&) = delete;
  UringQueue& operator=(const UringQueue&) = delete;

  // An entry to be filled in by one of io_uring_prep_…; submits what is queued if there is no room.
  io_uring_sqe& Next();
  // Submits, and works off what is ready to complete.
  void Submit();
  // Submits, and waits for a completion; < 0: however long it takes. One system call.
  void SubmitAndWait(int64_t timeout_ns);
  bool submitted() const { return io_uring_sq_ready(&ring_) == 0; }

  // The completions that are there, oldest first; Forget() makes room for further ones.
  unsigned count() const { return io_uring_cq_ready(&ring_); }
  const io_uring_cqe& at(unsigned index) const {
    return ring_.cq.cqes[(*ring_.cq.khead + index) & ring_.cq.ring_mask];
  }
  void Forget(unsigned count) { io_uring_cq_advance(&ring_, count); }
  bool overflowing() const { return io_uring_cq_has_overflow(&ring_); }

  std::string_view BufferOf(const io_uring_cqe& completion) const;
  // To be called for every completion that has IORING_CQE_F_BUFFER, when its bytes are used up.
  void GiveBack(const io_uring_cqe& completion);

 private:
  UringQueue() = default;
  base::Status Open();
  void Give(uint16_t buffer);
  void Enable();

  io_uring ring_{};
  bool open_ = false;
  bool enabled_ = false;
  void* shared_ = nullptr;  // the ring of buffers, which the kernel reads
  io_uring_buf_ring* buffers_ = nullptr;
  std::unique_ptr<char[]> bytes_;
};

// Tries what UringTransport needs on a pair of sockets: receiving again and again into shared
// buffers, and a send that is cut short. kUnsupported says what does not work.
base::Status ProbeUring();

}  // namespace weir::net
