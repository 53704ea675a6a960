// The one place that knows which transports there are.
#pragma once

#include <memory>

#include "base/result.h"
#include "net/server.h"
#include "net/server/transport.h"

namespace weir::net {

base::Result<std::unique_ptr<Transport>> MakeTransport(TransportKind kind);

}  // namespace weir::net
