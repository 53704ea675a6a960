#include "net/server/make_transport.h"

#include <utility>

#include "base/clock.h"
#include "net/server/epoll_transport.h"
#include "net/server/tls_transport.h"
#include "net/server/uring_queue.h"
#include "net/server/uring_transport.h"

namespace weir::net {

std::string_view Name(TransportKind kind) {
  return kind == TransportKind::kEpoll ? "epoll" : "io_uring";
}

base::Result<TransportKind> ChooseTransport(std::string_view configured) {
  if (configured == Name(TransportKind::kEpoll)) return TransportKind::kEpoll;
  if (configured != "auto" && configured != Name(TransportKind::kUring)) {
    return base::Fail(
        base::ErrorCode::kInvalidArgument,
        "there is no transport " + std::string(configured) + ": epoll, io_uring or auto");
  }
  const base::Status works = ProbeUring();
  if (works) return TransportKind::kUring;
  if (configured == "auto") return TransportKind::kEpoll;
  return base::Fail(base::ErrorCode::kInvalidArgument,
                    "io_uring does not work here (" + works.error().message +
                        "): a kernel of 6.0 or newer is needed, and a container that allows it; "
                        "set Net.Transport to auto or epoll");
}

base::Result<std::unique_ptr<Transport>> MakeTransport(TransportKind kind,
                                                       std::shared_ptr<TlsContext> tls) {
  std::unique_ptr<Transport> transport;
  if (kind == TransportKind::kEpoll) {
    WEIR_ASSIGN_OR_RETURN(transport, EpollTransport::Create());
  } else {
    WEIR_ASSIGN_OR_RETURN(transport, UringTransport::Create());
  }
  if (!tls) return transport;
  return std::unique_ptr<Transport>(
      std::make_unique<TlsTransport>(std::move(transport), std::move(tls), base::SystemClock()));
}

}  // namespace weir::net
