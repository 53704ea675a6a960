#include "net/networks.h"

#include <gtest/gtest.h>

namespace weir::net {
namespace {

Networks Trusted() {
  auto networks = Networks::Parse({"10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1"});
  EXPECT_TRUE(networks.has_value());
  return *networks;
}

TEST(Networks, ContainTheirAddressesAndNoOthers) {
  const Networks networks = Trusted();
  for (const char* in :
       {"10.0.0.0", "10.255.1.2", "192.0.2.7", "2001:db8:1::5", "::1", "::ffff:10.1.1.1"}) {
    EXPECT_TRUE(networks.Contain(in)) << in;
  }
  for (const char* out : {"11.0.0.1", "192.0.2.8", "2001:db9::1", "::2", "", "10.0.0", "name"}) {
    EXPECT_FALSE(networks.Contain(out)) << out;
  }
  EXPECT_FALSE(Networks().Contain("10.0.0.1"));
}

TEST(Networks, WhatIsNoNetworkIsNamed) {
  for (const char* wrong : {"10.0.0.0/33", "host", "", "10.0.0.0/", "/8", "::/129"}) {
    const auto networks = Networks::Parse({"10.0.0.1", wrong});
    ASSERT_FALSE(networks.has_value()) << wrong;
    EXPECT_NE(networks.error().message.find(std::string("'") + wrong + "'"), std::string::npos);
  }
}

std::string ClientOf(std::string_view peer, const std::vector<std::string_view>& forwarded_for) {
  return ClientAddress(peer, forwarded_for, Trusted());
}

TEST(Networks, OnlyATrustedProxyNamesTheClient) {
  EXPECT_EQ(ClientOf("203.0.113.5", {"198.51.100.1"}), "203.0.113.5");
  EXPECT_EQ(ClientOf("10.0.0.1", {"198.51.100.1"}), "198.51.100.1");
  EXPECT_EQ(ClientOf("10.0.0.1", {"6.6.6.6, 198.51.100.1"}), "198.51.100.1")
      << "what the client wrote itself counts for nothing";
  EXPECT_EQ(ClientOf("10.0.0.1", {"198.51.100.1 , 10.2.0.1"}), "198.51.100.1");
  EXPECT_EQ(ClientOf("10.0.0.1", {}), "10.0.0.1");
  EXPECT_EQ(ClientOf("10.0.0.1", {""}), "10.0.0.1");
  EXPECT_EQ(ClientOf("10.0.0.1", {"10.0.0.2"}), "10.0.0.2");
  EXPECT_EQ(ClientOf("10.0.0.1", {" , "}), "10.0.0.1");
}

TEST(Networks, AProxyMayAddALineOfItsOwn) {
  EXPECT_EQ(ClientOf("10.0.0.1", {"6.6.6.6", "198.51.100.1"}), "198.51.100.1");
  EXPECT_EQ(ClientOf("10.0.0.1", {"6.6.6.6, 198.51.100.1", "10.2.0.1"}), "198.51.100.1");
}

TEST(Networks, AClientHasOneSpelling) {
  for (const char* same : {"198.51.100.1:4711", "::ffff:198.51.100.1", "[::ffff:198.51.100.1]:443",
                           "\t198.51.100.1"}) {
    EXPECT_EQ(ClientOf("10.0.0.1", {same}), "198.51.100.1") << same;
  }
  for (const char* same : {"2001:DB9:0::1", "[2001:db9::1]", "[2001:db9:0:0::1]:443"}) {
    EXPECT_EQ(ClientOf("::ffff:10.0.0.1", {same}), "2001:db9::1") << same;
  }
  for (const char* none : {"unknown", "198.51.100.1, _hidden", "[", "[]", ":", "198.51.100"}) {
    EXPECT_EQ(ClientOf("10.0.0.1", {none}), "10.0.0.1") << none;
  }
}

}  // namespace
}  // namespace weir::net
