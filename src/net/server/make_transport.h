// The one place that knows which transports there are.
#pragma once

#include <memory>

#include "base/result.h"
#include "net/server.h"
#include "net/server/transport.h"

namespace weir::net {

// `tls`: null for plain sockets.
base::Result<std::unique_ptr<Transport>> MakeTransport(TransportKind kind,
                                                       std::shared_ptr<TlsContext> tls = nullptr);

}  // namespace weir::net
