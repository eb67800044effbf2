#include "io/launcher/inside.hpp"
#include "io/launcher/outside.hpp"

int main(int count, char** words) {
  const auto options = assay::launcher::parse_options(count, words);
  if (options.inside)
    assay::launcher::run_inside(options);
  assay::launcher::run_outside(options);
}
