#include "net/tls_bytes.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace weir::net {
namespace {

TlsBytes& BytesOf(BIO* bio) { return *static_cast<TlsBytes*>(BIO_get_data(bio)); }

int Read(BIO* bio, char* to, int size) {
  BIO_clear_retry_flags(bio);
  std::string_view& arriving = BytesOf(bio).arriving;
  const size_t taken = std::min(arriving.size(), static_cast<size_t>(size));
  if (taken == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  std::memcpy(to, arriving.data(), taken);
  arriving.remove_prefix(taken);
  return static_cast<int>(taken);
}

int Write(BIO* bio, const char* from, int size) {
  BytesOf(bio).leaving->append(from, static_cast<size_t>(size));
  return size;
}

long Control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* Method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weir");
    WEIR_CHECK(made != nullptr);
    BIO_meth_set_read(made, Read);
    BIO_meth_set_write(made, Write);
    BIO_meth_set_ctrl(made, Control);
    return made;
  }();
  return method;
}

}  // namespace

BIO* NewBio(TlsBytes& bytes) {
  BIO* const bio = BIO_new(Method());
  if (!bio) return nullptr;
  BIO_set_init(bio, 1);
  BIO_set_data(bio, &bytes);
  return bio;
}

}  // namespace weir::net
