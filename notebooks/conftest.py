"""How nbval starts the lessons' kernels."""

import nbval.kernel

from nstlib.course.kernels import BlockingKernelManager

nbval.kernel.KernelManager = BlockingKernelManager
