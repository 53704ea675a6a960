#include "net/server/uring_queue.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/check.h"

namespace weir::net {
namespace {

// Entries that a turn may queue before it submits in between; completions of two such turns.
constexpr unsigned kSubmissions = 1024;
constexpr unsigned kCompletions = 4096;
constexpr unsigned kSharedBytes = UringQueue::kBuffers * sizeof(io_uring_buf);
constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr unsigned kCommon =
    IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_R_DISABLED;
// From what spares most to what every kernel with multishot receives has.
constexpr unsigned kFlags[] = {
    kCommon | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
    kCommon | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN,
};

tl::unexpected<base::Error> Unsupported(const char* what, int error) {
  return base::Fail(base::ErrorCode::kUnsupported, std::string(what) + ": " + std::strerror(error));
}

}  // namespace

base::Result<std::unique_ptr<UringQueue>> UringQueue::Create() {
  std::unique_ptr<UringQueue> queue(new UringQueue);
  WEIR_RETURN_IF_ERROR(queue->Open());
  return queue;
}

base::Status UringQueue::Open() {
  int error = 0;
  for (const unsigned flags : kFlags) {
    io_uring_params params{};
    params.flags = flags;
    params.cq_entries = kCompletions;
    error = io_uring_queue_init_params(kSubmissions, &ring_, &params);
    if (error != -EINVAL) break;  // EINVAL: a flag that this kernel does not know
  }
  if (error != 0) return Unsupported("io_uring_setup", -error);
  open_ = true;
  constexpr unsigned kFeatures =
      IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP | IORING_FEAT_FAST_POLL;
  if ((ring_.features & kFeatures) != kFeatures) return Unsupported("io_uring_setup", ENOSYS);
  shared_ = mmap(nullptr, kSharedBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (shared_ == MAP_FAILED) {
    shared_ = nullptr;
    return Unsupported("memory for receive buffers", errno);
  }
  io_uring_buf_reg description{};
  description.ring_addr = reinterpret_cast<uint64_t>(shared_);
  description.ring_entries = kBuffers;
  description.bgid = kBufferGroup;
  error = io_uring_register_buf_ring(&ring_, &description, 0);
  if (error != 0) return Unsupported("a ring of receive buffers", -error);
  buffers_ = static_cast<io_uring_buf_ring*>(shared_);
  io_uring_buf_ring_init(buffers_);
  bytes_.reset(new char[kBuffers * kBufferBytes]);  // not touched before something arrives
  for (uint16_t buffer = 0; buffer < kBuffers; ++buffer) Give(buffer);
  return {};
}

UringQueue::~UringQueue() {
  if (open_) io_uring_queue_exit(&ring_);
  if (shared_) munmap(shared_, kSharedBytes);
}

// By the thread that uses it, which the kernel then holds it to.
void UringQueue::Enable() {
  if (enabled_) return;
  // Debian's liburing 2.3 declares io_uring_enable_rings() and does not export it.
  const long result =
      syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
  WEIR_CHECK_MSG(result == 0, std::strerror(errno));
  enabled_ = true;
}

io_uring_sqe& UringQueue::Next() {
  constexpr int kTries = 1000;
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  for (int i = 0; !entry && i < kTries; ++i) {
    Submit();
    entry = io_uring_get_sqe(&ring_);
  }
  WEIR_CHECK_MSG(entry != nullptr, "the kernel takes no more submissions");
  return *entry;
}

void UringQueue::Submit() {
  Enable();
  const int result = io_uring_submit_and_get_events(&ring_);
  WEIR_CHECK_MSG(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY,
                 std::strerror(-result));
}

void UringQueue::SubmitAndWait(int64_t timeout_ns) {
  if (timeout_ns == 0 || count() > 0) return Submit();
  Enable();
  int result = 0;
  if (timeout_ns < 0) {
    result = io_uring_submit_and_wait(&ring_, 1);
  } else {
    __kernel_timespec timeout{.tv_sec = timeout_ns / kNsPerSecond,
                              .tv_nsec = timeout_ns % kNsPerSecond};
    io_uring_cqe* first = nullptr;
    result = io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
  }
  // ETIME: nothing came. EAGAIN, EBUSY: no memory, or too much to take; what is left follows.
  WEIR_CHECK_MSG(
      result >= 0 || result == -EINTR || result == -ETIME || result == -EAGAIN || result == -EBUSY,
      std::strerror(-result));
}

void UringQueue::Give(uint16_t buffer) {
  io_uring_buf_ring_add(buffers_, bytes_.get() + buffer * kBufferBytes, kBufferBytes, buffer,
                        io_uring_buf_ring_mask(kBuffers), 0);
  io_uring_buf_ring_advance(buffers_, 1);
}

std::string_view UringQueue::BufferOf(const io_uring_cqe& completion) const {
  const size_t buffer = completion.flags >> IORING_CQE_BUFFER_SHIFT;
  return {bytes_.get() + buffer * kBufferBytes, static_cast<size_t>(completion.res)};
}

void UringQueue::GiveBack(const io_uring_cqe& completion) {
  Give(static_cast<uint16_t>(completion.flags >> IORING_CQE_BUFFER_SHIFT));
}

base::Status ProbeUring() {
  constexpr uint64_t kReceive = 1;
  constexpr uint64_t kSend = 2;
  constexpr int64_t kPatienceNs = 5 * kNsPerSecond;
  WEIR_ASSIGN_OR_RETURN(const auto queue, UringQueue::Create());
  struct Pair {
    int ends[2] = {-1, -1};
    ~Pair() {
      for (const int end : ends) {
        if (end >= 0) close(end);
      }
    }
  } pair;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair.ends) != 0) {
    return Unsupported("socketpair", errno);
  }
  io_uring_sqe& receive = queue->Next();
  io_uring_prep_recv_multishot(&receive, pair.ends[0], nullptr, 0, 0);
  receive.flags |= IOSQE_BUFFER_SELECT;
  receive.buf_group = UringQueue::kBufferGroup;
  io_uring_sqe_set_data64(&receive, kReceive);
  for (int i = 0; i < 2; ++i) {  // armed once, it serves twice
    if (write(pair.ends[1], "x", 1) != 1) return Unsupported("write", errno);
    queue->SubmitAndWait(kPatienceNs);
    if (queue->count() == 0) return Unsupported("a multishot receive", ETIME);
    const io_uring_cqe completion = queue->at(0);
    if (completion.res < 0) return Unsupported("a multishot receive", -completion.res);
    constexpr unsigned kExpected = IORING_CQE_F_MORE | IORING_CQE_F_BUFFER;
    if ((completion.flags & kExpected) != kExpected || queue->BufferOf(completion) != "x") {
      return Unsupported("a multishot receive", ENOTSUP);
    }
    queue->GiveBack(completion);
    queue->Forget(1);
  }
  // Completes at once, says how much was taken, and is silent if that was everything.
  const std::string bytes(8u << 20, 'x');
  for (const size_t size : {size_t{1}, bytes.size()}) {
    io_uring_sqe& send = queue->Next();
    io_uring_prep_send(&send, pair.ends[0], bytes.data(), size,
                       MSG_DONTWAIT | MSG_NOSIGNAL | MSG_WAITALL);
    send.flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(&send, kSend);
    queue->Submit();
    if (queue->count() != (size == 1 ? 0 : 1)) return Unsupported("a silent send", ENOTSUP);
  }
  const io_uring_cqe cut = queue->at(0);
  if (cut.user_data != kSend || cut.res <= 0 || static_cast<size_t>(cut.res) >= bytes.size()) {
    return Unsupported("a send that is cut short", cut.res < 0 ? -cut.res : ENOTSUP);
  }
  return {};
}

}  // namespace weir::net
