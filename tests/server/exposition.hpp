#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace assay::server::test {

/// What a text in Prometheus's exposition format says, read without mercy.
struct exposition {
  struct family {
    std::string type;
    std::string help;
    std::vector<std::string> series; ///< Name and labels of each sample, as written.
  };

  std::map<std::string, family> families;
  std::vector<std::string> complaints; ///< Every breach of the format or of the naming conventions.
};

/// @see https://prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4. Of the conventions:
/// counters, and nothing else, end in `_total`; units are base units.
exposition read_exposition(std::string_view text);

} // namespace assay::server::test
