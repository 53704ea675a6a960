// Reads the server's API, one request at a time, for what is asked seldom: tasks, alerts,
// analytics. Blocking, with a time limit; a broken connection is made again, once per request. One
// thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tools/surge/answer_parser.h"
#include "tools/surge/options.h"
#include "tools/surge/target.h"
#include "tools/surge/wire.h"

namespace weir::surge {

class ApiClient {
 public:
  ApiClient(const Target& target, const Options& options);
  ApiClient(const ApiClient&) = delete;
  ApiClient& operator=(const ApiClient&) = delete;

  struct Fetched {
    int status = 0;
    std::string body;
  };
  // kUnavailable: no answer, or none that is HTTP.
  base::Result<Fetched> Get(std::string_view path);
  // The body of a 200. kNotFound for 404, kPermission for 401 and 403, kUnavailable otherwise.
  base::Result<std::string> GetBody(std::string_view path);

 private:
  base::Result<Fetched> Exchange(std::string_view request);

  const Target target_;
  const std::string headers_;
  std::unique_ptr<Wire> wire_;
  std::string received_;
  AnswerParser parser_;
};

// "a b/ü" as "a%20b%2F%C3%BC": one segment of a path, or one value of a query.
std::string PercentEncoded(std::string_view text);

}  // namespace weir::surge
