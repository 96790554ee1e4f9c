// Which part of the program is meant.
#pragma once

namespace castle {

int dispatch(int argc, char** argv);

}  // namespace castle
