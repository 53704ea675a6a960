#include "net/networks.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <optional>

namespace weir::net {

namespace ip = boost::asio::ip;

namespace {

// An IPv4 address in IPv6 form is that address.
ip::address Plain(const ip::address& address) {
  if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return address;
  return ip::make_address_v4(ip::v4_mapped, address.to_v6());
}

std::string Spelled(const ip::address& address) { return Plain(address).to_string(); }

// "198.51.100.1", "2001:db8::1", "[2001:db8::1]", each with or without a port; white space around.
std::optional<ip::address> ParseNamed(std::string_view text) {
  constexpr std::string_view kSpace = " \t";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  text = text.substr(0, text.find_last_not_of(kSpace) + 1);
  if (text.starts_with('[')) {
    text = text.substr(1, text.find(']') - 1);
  } else if (std::ranges::count(text, ':') == 1) {
    text = text.substr(0, text.find(':'));
  }
  boost::system::error_code error;
  const auto address = ip::make_address(std::string(text), error);
  return error ? std::nullopt : std::optional(address);
}

}  // namespace

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
  const ip::address parsed = ip::make_address(std::string(text), error);
  if (error) return false;
  const ip::address address = Plain(parsed);
  if (address.is_v4()) {
    return std::ranges::any_of(v4_, [&](const ip::network_v4& network) {
      return ip::network_v4(address.to_v4(), network.prefix_length()).canonical() == network;
    });
  }
  return std::ranges::any_of(v6_, [&](const ip::network_v6& network) {
    return ip::network_v6(address.to_v6(), network.prefix_length()).canonical() == network;
  });
}

std::string ClientAddress(std::string_view peer, std::span<const std::string_view> forwarded_for,
                          const Networks& trusted) {
  boost::system::error_code error;
  const auto connected = ip::make_address(std::string(peer), error);
  std::string address = error ? std::string(peer) : Spelled(connected);
  for (auto line = forwarded_for.rbegin(); line != forwarded_for.rend(); ++line) {
    std::string_view left = *line;
    while (!left.empty()) {
      const size_t comma = left.rfind(',');
      const bool first = comma == std::string_view::npos;
      const auto named = ParseNamed(first ? left : left.substr(comma + 1));
      if (!named || !trusted.Contain(address)) return address;
      address = Spelled(*named);
      left = first ? std::string_view() : left.substr(0, comma);
    }
  }
  return address;
}

}  // namespace weir::net
