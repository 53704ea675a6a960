#include "app/pages.h"

#include <yaml-cpp/yaml.h>

#include "app/embedded.h"
#include "base/json_writer.h"

namespace weir::app {
namespace {

// YAML 1.2's core schema: what is not quoted and looks like a number, a truth or nothing, is one.
void WriteScalar(const YAML::Node& node, base::JsonWriter& json) {
  const std::string& text = node.Scalar();
  int64_t integer = 0;
  double real = 0;
  if (node.Tag() != "!" && YAML::convert<int64_t>::decode(node, integer)) {
    json.Number(integer);
  } else if (node.Tag() != "!" && YAML::convert<double>::decode(node, real)) {
    json.Number(real);
  } else if (node.Tag() != "!" && (text == "true" || text == "false")) {
    json.Bool(text == "true");
  } else {
    json.String(text);
  }
}

void Write(const YAML::Node& node, base::JsonWriter& json) {
  switch (node.Type()) {
    case YAML::NodeType::Map:
      json.BeginObject();
      for (const auto& entry : node) {
        json.Key(entry.first.Scalar());
        Write(entry.second, json);
      }
      json.EndObject();
      break;
    case YAML::NodeType::Sequence:
      json.BeginArray();
      for (const auto& entry : node) Write(entry, json);
      json.EndArray();
      break;
    case YAML::NodeType::Scalar:
      WriteScalar(node, json);
      break;
    default:
      json.Null();
  }
}

constexpr std::string_view kPageHeaders =
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src "
    "'unsafe-inline'; connect-src 'self'\r\n"
    "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n";

}  // namespace

std::string YamlToJson(std::string_view yaml) {
  std::string out;
  base::JsonWriter json(out);
  Write(YAML::Load(std::string(yaml)), json);
  return out;
}

std::vector<security::Route> PageRoutes() {
  static const std::string openapi = YamlToJson(OpenApiYaml());
  return {
      {.method = net::Method::kGet,
       .path = "/",
       .handle =
           [](const security::Call& call) {
             call.loop.Respond(call.request.ticket, {.content_type = "text/html; charset=utf-8",
                                                     .headers = kPageHeaders,
                                                     .body = PageHtml()});
           }},
      {.method = net::Method::kGet,
       .path = "/openapi.json",
       .handle =
           [](const security::Call& call) {
             call.loop.Respond(call.request.ticket, {.body = openapi});
           }},
  };
}

}  // namespace weir::app
