#include "security/tokens.h"

#include <simdjson.h>

#include <algorithm>
#include <span>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "io/posix_file_system.h"
#include "security/private_file.h"

namespace weir::security {
namespace {

using base::ErrorCode;
using base::Fail;

constexpr std::string_view kPrefix = "weir_";
constexpr size_t kSecretBytes = 32;
constexpr size_t kNameMax = 64;
constexpr size_t kStudiesMax = 1000;
constexpr uint64_t kFileBytesMax = 64u << 20;
constexpr int64_t kVersion = 1;

// RFC 4648, section 5, without padding.
std::string Base64Url(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<uint8_t>(c);
    for (count += 8; count >= 6;) {
      count -= 6;
      out += kDigits[bits >> count & 63];
    }
  }
  if (count > 0) out += kDigits[bits << (6 - count) & 63];
  return out;
}

bool IsName(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '@' || c == '-';
  };
  return !name.empty() && name.size() <= kNameMax && std::ranges::all_of(name, allowed);
}

bool IsFingerprint(std::string_view hex) {
  return hex.size() == 64 && std::ranges::all_of(hex, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string Write(const std::vector<Token>& tokens) {
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject().Key("version").Number(kVersion).Key("tokens").BeginArray();
  for (const Token& token : tokens) {
    out += '\n';  // one token a line: the file can be read and compared
    json.BeginObject().Key("name").String(token.identity.name);
    json.Key("sha256").String(token.sha256.hex());
    json.Key("scopes").String(ToString(token.identity.scopes));
    json.Key("studies").BeginArray();
    for (const std::string& study : token.identity.studies) json.String(study);
    json.EndArray().Key("created").Time(token.created_ms);
    if (!token.identity.certificate.empty()) {
      json.Key("certificate").String(token.identity.certificate);
    }
    if (token.expires_ms) json.Key("expires").Time(*token.expires_ms);
    if (token.revoked_ms) json.Key("revoked").Time(*token.revoked_ms);
    json.EndObject();
  }
  json.EndArray().EndObject();
  out += '\n';
  return out;
}

base::Result<std::string_view> Text(simdjson::dom::element token, const char* key) {
  std::string_view text;
  if (token[key].get(text) != simdjson::SUCCESS) {
    return Fail(ErrorCode::kCorruption, std::string("a token has no text '") + key + "'");
  }
  return text;
}

base::Result<std::optional<int64_t>> Instant(simdjson::dom::element token, const char* key) {
  simdjson::dom::element value;
  if (token[key].get(value) == simdjson::NO_SUCH_FIELD) return std::optional<int64_t>();
  WEIR_ASSIGN_OR_RETURN(const std::string_view text, Text(token, key));
  WEIR_ASSIGN_OR_RETURN(const int64_t ms, base::ParseTime(text));
  return std::optional(ms);
}

base::Result<Token> ReadToken(simdjson::dom::element element) {
  Token token;
  WEIR_ASSIGN_OR_RETURN(const std::string_view name, Text(element, "name"));
  WEIR_ASSIGN_OR_RETURN(const std::string_view hash, Text(element, "sha256"));
  WEIR_ASSIGN_OR_RETURN(const std::string_view scopes, Text(element, "scopes"));
  if (!IsName(name)) return Fail(ErrorCode::kCorruption, "a token's name is malformed");
  token.identity.name = name;
  if (!base::FromHex(hash, token.sha256.bytes)) {
    return Fail(ErrorCode::kCorruption, "a token's sha256 is malformed");
  }
  WEIR_ASSIGN_OR_RETURN(token.identity.scopes, ParseScopes(scopes));
  // A list that is missing must not mean "all studies".
  simdjson::dom::array studies;
  if (element["studies"].get(studies) != simdjson::SUCCESS) {
    return Fail(ErrorCode::kCorruption, "a token has no list 'studies'");
  }
  for (const simdjson::dom::element study : studies) {
    std::string_view id;
    if (study.get(id) != simdjson::SUCCESS) {
      return Fail(ErrorCode::kCorruption, "a token's study is not a text");
    }
    token.identity.studies.emplace_back(id);
  }
  std::ranges::sort(token.identity.studies);
  // One that cannot be read must not mean "none".
  if (simdjson::dom::element given; element["certificate"].get(given) == simdjson::SUCCESS) {
    WEIR_ASSIGN_OR_RETURN(const std::string_view certificate, Text(element, "certificate"));
    if (!IsFingerprint(certificate)) {
      return Fail(ErrorCode::kCorruption, "a token's certificate is malformed");
    }
    token.identity.certificate = certificate;
  }
  WEIR_ASSIGN_OR_RETURN(const auto created, Instant(element, "created"));
  WEIR_ASSIGN_OR_RETURN(token.expires_ms, Instant(element, "expires"));
  WEIR_ASSIGN_OR_RETURN(token.revoked_ms, Instant(element, "revoked"));
  token.created_ms = created.value_or(0);
  return token;
}

base::Result<std::vector<Token>> Read(const std::string& text) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  int64_t version = 0;
  simdjson::dom::array list;
  if (parser.parse(text).get(document) != simdjson::SUCCESS ||
      document["version"].get(version) != simdjson::SUCCESS || version != kVersion ||
      document["tokens"].get(list) != simdjson::SUCCESS) {
    return Fail(ErrorCode::kCorruption, "it is not a list of tokens of version 1");
  }
  std::vector<Token> tokens;
  for (const simdjson::dom::element element : list) {
    if (tokens.size() == kTokensMax) return Fail(ErrorCode::kTooLarge, "it lists too many tokens");
    WEIR_ASSIGN_OR_RETURN(Token token, ReadToken(element));
    tokens.push_back(std::move(token));
  }
  return tokens;
}

struct Place {
  std::string directory;
  std::string name;
};
Place Split(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

// Reads, changes and replaces the file under a lock of its own: DataDir's belongs to the server.
template <class Change>
base::Status Edit(const std::string& path, const Change& change) {
  const Place place = Split(path);
  const std::string lock_directory = place.directory + "/keys";
  io::FileSystem& files = io::PosixFileSystem();
  WEIR_RETURN_IF_ERROR(files.MakeDirectories(lock_directory));
  WEIR_ASSIGN_OR_RETURN(const auto lock, files.Lock(lock_directory));
  WEIR_ASSIGN_OR_RETURN(std::vector<Token> tokens, LoadTokens(path));
  WEIR_RETURN_IF_ERROR(change(tokens));
  return ReplacePrivate(place.directory, place.name, Write(tokens));
}

base::Status CheckNew(const NewToken& token) {
  if (!IsName(token.name)) {
    return Fail(ErrorCode::kInvalidArgument,
                "a token's name has 1 to 64 characters of A-Z a-z 0-9 . _ @ -");
  }
  if (token.scopes == Scopes()) {
    return Fail(ErrorCode::kInvalidArgument, "a token needs at least one scope");
  }
  if (!token.certificate.empty() && !IsFingerprint(token.certificate)) {
    return Fail(ErrorCode::kInvalidArgument,
                "a certificate is named by its SHA-256: 64 hexadecimal digits");
  }
  const bool bad_study = std::ranges::any_of(
      token.studies, [](const std::string& study) { return study.empty() || study.size() > 128; });
  if (bad_study || token.studies.size() > kStudiesMax) {
    return Fail(ErrorCode::kInvalidArgument, "a token has at most 1,000 studies of 1 to 128 bytes");
  }
  return {};
}

}  // namespace

std::string TokensPath(const std::string& data_dir) { return data_dir + "/tokens.json"; }

base::Result<std::vector<Token>> LoadTokens(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadPrivate(path, kFileBytesMax));
  if (!text) return std::vector<Token>();
  auto tokens = Read(*text);
  if (!tokens) return Fail(tokens.error().code, path + ": " + tokens.error().message);
  return std::move(*tokens);
}

base::Result<std::string> AddToken(const std::string& path, const NewToken& added, int64_t now_ms) {
  WEIR_RETURN_IF_ERROR(CheckNew(added));
  if (added.expires_ms && *added.expires_ms <= now_ms) {
    return Fail(ErrorCode::kInvalidArgument, "the token would have expired at " +
                                                 base::FormatTime(*added.expires_ms) +
                                                 ": give a time that is to come");
  }
  const std::string secret = std::string(kPrefix) + Base64Url(RandomBytes(kSecretBytes));
  WEIR_RETURN_IF_ERROR(Edit(path, [&](std::vector<Token>& tokens) -> base::Status {
    const auto same = [&](const Token& token) { return token.identity.name == added.name; };
    if (std::ranges::any_of(tokens, same)) {
      return Fail(ErrorCode::kAlreadyExists,
                  "there is a token '" + added.name + "' already, in force or revoked");
    }
    if (tokens.size() == kTokensMax) {
      return Fail(ErrorCode::kTooLarge, "there are 100,000 tokens already");
    }
    Token token{{added.name, added.scopes, added.studies, added.certificate},
                base::Sha256(secret),
                now_ms,
                added.expires_ms,
                std::nullopt};
    std::ranges::sort(token.identity.studies);
    tokens.push_back(std::move(token));
    return {};
  }));
  return secret;
}

base::Status RevokeToken(const std::string& path, std::string_view name, int64_t now_ms) {
  return Edit(path, [&](std::vector<Token>& tokens) -> base::Status {
    for (Token& token : tokens) {
      if (token.identity.name != name) continue;
      if (!token.revoked_ms) token.revoked_ms = now_ms;
      return {};
    }
    return Fail(ErrorCode::kNotFound, "there is no token '" + std::string(name) + "'");
  });
}

std::string FormatTokens(const std::vector<Token>& tokens, int64_t now_ms) {
  std::vector<std::array<std::string, 6>> rows = {
      {"NAME", "STATE", "SCOPES", "STUDIES", "CREATED", "EXPIRES"}};
  for (const Token& token : tokens) {
    std::string studies;
    for (const std::string& study : token.identity.studies) {
      studies += (studies.empty() ? "" : ",") + study;
    }
    rows.push_back({token.identity.name,
                    token.revoked_ms       ? "revoked"
                    : token.Active(now_ms) ? "in force"
                                           : "expired",
                    ToString(token.identity.scopes), studies.empty() ? "all" : studies,
                    base::FormatTime(token.created_ms),
                    token.expires_ms ? base::FormatTime(*token.expires_ms) : "never"});
  }
  std::array<size_t, 6> widths{};
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] + 2 - row[i].size(), ' ');
    }
    out += '\n';
  }
  return out;
}

}  // namespace weir::security
