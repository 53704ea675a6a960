#include "net/networks.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>

namespace weir::net {

namespace ip = boost::asio::ip;

base::Result<Networks> Networks::Parse(const std::vector<std::string>& texts) {
  Networks networks;
  for (const std::string& text : texts) {
    const bool has_length = text.find('/') != std::string::npos;
    boost::system::error_code v4_error, v6_error;
    const auto v4 = ip::make_network_v4(has_length ? text : text + "/32", v4_error);
    if (!v4_error) {
      networks.v4_.push_back(v4.canonical());
      continue;
    }
    const auto v6 = ip::make_network_v6(has_length ? text : text + "/128", v6_error);
    if (v6_error) {
      return base::Fail(base::ErrorCode::kInvalidArgument,
                        "'" + text + "' is no address and no network such as 10.0.0.0/8");
    }
    networks.v6_.push_back(v6.canonical());
  }
  return networks;
}

bool Networks::Contain(std::string_view text) const {
  boost::system::error_code error;
  ip::address address = ip::make_address(std::string(text), error);
  if (error) return false;
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = ip::make_address_v4(ip::v4_mapped, address.to_v6());
  }
  if (address.is_v4()) {
    return std::ranges::any_of(v4_, [&](const ip::network_v4& network) {
      return ip::network_v4(address.to_v4(), network.prefix_length()).canonical() == network;
    });
  }
  return std::ranges::any_of(v6_, [&](const ip::network_v6& network) {
    return ip::network_v6(address.to_v6(), network.prefix_length()).canonical() == network;
  });
}

std::string_view ClientAddress(std::string_view peer, std::string_view forwarded_for,
                               const Networks& trusted) {
  std::string_view address = peer;
  while (!forwarded_for.empty() && trusted.Contain(address)) {
    const size_t comma = forwarded_for.rfind(',');
    std::string_view named =
        comma == std::string_view::npos ? forwarded_for : forwarded_for.substr(comma + 1);
    forwarded_for =
        comma == std::string_view::npos ? std::string_view() : forwarded_for.substr(0, comma);
    while (named.starts_with(' ')) named.remove_prefix(1);
    while (named.ends_with(' ')) named.remove_suffix(1);
    if (named.empty()) break;
    address = named;
  }
  return address;
}

}  // namespace weir::net
