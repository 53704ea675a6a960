// Sets of networks, and the client address that a trusted proxy names.
#pragma once

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir::net {

class Networks {
 public:
  // "10.0.0.0/8", "2001:db8::/32", or a single address. kInvalidArgument names the one that is
  // wrong.
  static base::Result<Networks> Parse(const std::vector<std::string>& texts);

  bool empty() const { return v4_.empty() && v6_.empty(); }
  // False for what is no address. An IPv4 address in IPv6 form counts as IPv4.
  bool Contain(std::string_view address) const;

 private:
  std::vector<boost::asio::ip::network_v4> v4_;
  std::vector<boost::asio::ip::network_v6> v6_;
};

// Who sent a request that came from `peer`: while that is a trusted proxy, the address that it
// added last to `forwarded_for` (the lines of X-Forwarded-For), and so on from the right, whether
// proxies have added to its line or lines of their own. What a proxy that is not trusted, or the
// client itself, has written there counts for nothing; nor does what is no address, a port aside.
// Each address has one spelling.
std::string ClientAddress(std::string_view peer, std::span<const std::string_view> forwarded_for,
                          const Networks& trusted);

}  // namespace weir::net
