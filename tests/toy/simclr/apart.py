import simclr.work
