#include "security/tokens.h"

#include <CLI/CLI.hpp>
#include <cctype>
#include <cstdio>
#include <memory>

#include "app/commands/commands.h"
#include "app/commands/load_config.h"
#include "base/clock.h"
#include "io/posix_file_system.h"

namespace weir::app {
namespace {

int Failed(const base::Error& error) {
  std::fprintf(stderr, "weir: %s\n", error.message.c_str());
  return error.code == base::ErrorCode::kInvalidArgument ? kWrongUsage : kFailed;
}

// As `openssl x509 -fingerprint -sha256` prints it, or without colons.
std::string Fingerprint(std::string_view text) {
  std::string hex;
  for (const char c : text) {
    if (c != ':') hex += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return hex;
}

struct AddArguments {
  ConfigArguments config;
  std::string name;
  std::string scopes = "submit";
  std::vector<std::string> studies;
  std::string expires;
  std::string certificate;
};

int Add(const AddArguments& arguments) {
  const auto config = LoadConfig(arguments.config);
  if (!config) return kWrongUsage;
  security::NewToken token{.name = arguments.name,
                           .scopes = {},
                           .studies = arguments.studies,
                           .expires_ms = {},
                           .certificate = Fingerprint(arguments.certificate)};
  auto scopes = security::ParseScopes(arguments.scopes);
  if (!scopes) return Failed(scopes.error());
  token.scopes = *scopes;
  if (!arguments.expires.empty()) {
    auto expires = base::ParseTime(arguments.expires);
    if (!expires) return Failed(expires.error());
    token.expires_ms = *expires;
  }
  if (auto made = io::PosixFileSystem().MakeDirectories(config->data_dir); !made) {
    return Failed(made.error());
  }
  auto secret = security::AddToken(security::TokensPath(config->data_dir), token,
                                   base::SystemClock().WallMs());
  if (!secret) return Failed(secret.error());
  std::fprintf(stderr, "token '%s' may: %s. This is its only showing:\n", token.name.c_str(),
               security::ToString(token.scopes).c_str());
  std::puts(secret->c_str());
  return kDone;
}

int List(const ConfigArguments& arguments) {
  const auto config = LoadConfig(arguments);
  if (!config) return kWrongUsage;
  const auto tokens = security::LoadTokens(security::TokensPath(config->data_dir));
  if (!tokens) return Failed(tokens.error());
  std::fputs(security::FormatTokens(*tokens, base::SystemClock().WallMs()).c_str(), stdout);
  return kDone;
}

int Revoke(const ConfigArguments& arguments, const std::string& name) {
  const auto config = LoadConfig(arguments);
  if (!config) return kWrongUsage;
  const auto revoked = security::RevokeToken(security::TokensPath(config->data_dir), name,
                                             base::SystemClock().WallMs());
  if (!revoked) return Failed(revoked.error());
  std::printf("token '%s' is revoked; a running server refuses it within two seconds\n",
              name.c_str());
  return kDone;
}

}  // namespace

void AddTokens(CLI::App& app, int* exit_code) {
  CLI::App* group = app.add_subcommand("tokens", "adds, lists and revokes bearer tokens");
  group->require_subcommand(1);

  const auto add = std::make_shared<AddArguments>();
  CLI::App* command = group->add_subcommand("add", "makes a token and prints its secret once");
  command->add_option("name", add->name, "who will use it; unique for ever")->required();
  command->add_option("--scopes", add->scopes, "submit,read,alerts,operate or all")
      ->capture_default_str();
  command->add_option("--study", add->studies, "a study it is for; none given: all");
  command->add_option("--expires", add->expires, "when it ends, as 2027-01-31T00:00:00Z");
  command->add_option("--certificate-sha256", add->certificate,
                      "only on connections that have shown this client certificate");
  add->config.AddTo(*command);
  command->callback([add, exit_code] { *exit_code = Add(*add); });

  const auto list = std::make_shared<ConfigArguments>();
  command = group->add_subcommand("list", "lists tokens, without secrets");
  list->AddTo(*command);
  command->callback([list, exit_code] { *exit_code = List(*list); });

  const auto revoke = std::make_shared<ConfigArguments>();
  const auto name = std::make_shared<std::string>();
  command = group->add_subcommand("revoke", "ends a token");
  command->add_option("name", *name, "of the token")->required();
  revoke->AddTo(*command);
  command->callback([revoke, name, exit_code] { *exit_code = Revoke(*revoke, *name); });
}

}  // namespace weir::app
